"""Operations on one market's moment: its ticker, its newest trades, and all of it in short."""

from typing import Annotated, Final

from msgspec import Meta

from libs.common.events import Trade
from services.gateway.access.scopes import Scope
from services.gateway.operations.desk import Caller, Desk
from services.gateway.operations.fields import Cursor
from services.gateway.operations.markets import OfMarket
from services.gateway.operations.operation import EVERYWHERE, Example, Freshness, Operation
from services.gateway.schemas.flows import funding_views, mark_views, open_interest_views
from services.gateway.schemas.tickers import MarketDetail, Ticker, Trades, best, scores, trade_views
from services.gateway.store.flows import Span
from services.gateway.store.latest import TRADES_KEPT

_BTC: Final = "BTC-USDT-PERP"
_OF_MARKET: Final = ("unknown_symbol", "unknown_venue")
_TRADES: Final = "markets.trades"


class TradesWanted(OfMarket, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The newest trades of one market."""

    cursor: Cursor = None
    limit: Annotated[int, Meta(ge=1, le=500, description="Trades a page")] = 100


async def _ticker(desk: Desk, _caller: Caller, wanted: OfMarket) -> Ticker:
    row, rule = await desk.board.choose(wanted.symbol, wanted.venue)
    price, book, kept = await desk.latest.top(row.venue, row.symbol, desk.clock())
    market = desk.board.stand(row, rule, kept)
    last = price if price and price.origin is row.origin else None
    return Ticker(**market.head, last=last, **best(book if book and book.origin is row.origin else None))


async def _get(desk: Desk, _caller: Caller, wanted: OfMarket) -> MarketDetail:
    row, rule = await desk.board.choose(wanted.symbol, wanted.venue)
    now_ns, one = desk.clock(), Span(limit=1)
    price, book, kept = await desk.latest.top(row.venue, row.symbol, now_ns)
    cells = await desk.latest.all_cells(row.venue, row.symbol)
    marks = mark_views(await desk.store.flows.marks(row, one), now_ns)
    funding = funding_views(await desk.store.flows.funding(row, one), now_ns)
    interest = open_interest_views(await desk.store.flows.open_interest(row, one), now_ns)
    return MarketDetail(
        **desk.board.stand(row, rule, kept).head,
        last=price if price and price.origin is row.origin else None,
        **best(book if book and book.origin is row.origin else None),
        mark=marks[0] if marks else None,
        funding=funding[0] if funding else None,
        open_interest=interest[0] if interest else None,
        layers=scores(cells, row.origin, now_ns, desk.stale_after_s),
    )


async def _trades(desk: Desk, _caller: Caller, wanted: TradesWanted) -> Trades:
    market = await desk.board.standing(wanted.symbol, wanted.venue)
    place = desk.board.place(_TRADES, wanted.cursor, int, str)
    after = place.at if place else None
    row = market.row
    kept = await desk.latest.trades(row.venue, row.symbol, row.origin, TRADES_KEPT)
    by_key: dict[tuple[int, str], Trade] = {}
    for trade in sorted(kept, key=lambda trade: -trade.received_ns):
        by_key[trade.event_ns, trade.trade_id] = trade  # one that was fetched again later is the same one
    keys = sorted((key for key in by_key if after is None or key < after), reverse=True)
    found = [by_key[key] for key in keys[: wanted.limit + 1]]
    page, more = found[: wanted.limit], len(found) > wanted.limit
    return Trades(
        **market.head,
        data=trade_views(page),
        has_more=more,
        next_cursor=desk.board.word(_TRADES, page[-1].event_ns, page[-1].trade_id) if more else None,
    )


MOMENTS: Final = (
    Operation(
        name="markets.ticker",
        method="GET",
        path="/v1/markets/{symbol}/ticker",
        params=OfMarket,
        answer=Ticker,
        read=_ticker,
        scope=Scope.MARKET,
        summary="Last trade and best prices of one market",
        detail="The last trade, and bid and ask of the newest view of the book, each with its own age; "
        "absent with a cause where there is none.",
        tag="markets",
        example=Example({"symbol": _BTC}),
        freshness=Freshness(0.5, 2.0),
        surfaces=EVERYWHERE,
        problems=_OF_MARKET,
    ),
    Operation(
        name="markets.get",
        method="GET",
        path="/v1/markets/{symbol}",
        params=OfMarket,
        answer=MarketDetail,
        read=_get,
        scope=Scope.MARKET,
        summary="All of one market in short",
        detail="The ticker, and the newest mark, index, basis, funding, open interest and score of every layer.",
        tag="markets",
        example=Example({"symbol": _BTC}, given="flows"),
        cost=2,
        freshness=Freshness(0.5, 2.0),
        surfaces=EVERYWHERE,
        problems=_OF_MARKET,
    ),
    Operation(
        name="markets.trades",
        method="GET",
        path="/v1/markets/{symbol}/trades",
        params=TradesWanted,
        answer=Trades,
        read=_trades,
        scope=Scope.MARKET,
        summary="The newest trades of one market",
        detail="Newest first, each once; the last thousand of a market and origin are kept.",
        tag="markets",
        example=Example({"symbol": _BTC, "limit": 10}),
        cost=2,
        freshness=Freshness(0.5, 2.0),
        problems=_OF_MARKET,
    ),
)
