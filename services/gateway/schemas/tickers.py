"""Views of one market's moment: its ticker, its newest trades, and all of it in short. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from libs.common.events import Fact, Origin, Side, Timeframe, Trade
from services.gateway.schemas.cells import Cell
from services.gateway.schemas.flows import FundingView, MarkView, OpenInterestView
from services.gateway.schemas.markets import Book, Price
from services.gateway.schemas.provenance import OfMarket
from services.gateway.schemas.times import age_s, rfc3339

NO_BOOK: Final = "no_book"
ONE_SIDED: Final = "one_sided"


class Ticker(OfMarket, frozen=True, kw_only=True):
    """The last trade and the best prices of one market."""

    last: Price | None
    """Absent until a trade came."""
    bid: float | None
    """Best price of the newest view of the book, quote currency; absent with `book_cause`."""
    bid_size: float | None
    ask: float | None
    ask_size: float | None
    book_cause: str | None
    """`no_book`, `one_sided`, or why the book lost its sequence."""
    book_event_ns: int | None
    book_event_time: str | None
    book_age_s: float | None
    book_stale: bool


class Score(Struct, frozen=True, kw_only=True):
    """What one layer reads, in short."""

    layer: str
    timeframe: Timeframe | None
    score: float
    confidence: float
    cause: Fact
    """Why it abstains; absent where it speaks."""
    as_of_ns: int
    as_of: str
    age_s: float
    stale: bool


class MarketDetail(Ticker, frozen=True, kw_only=True):
    """All of one market in short."""

    mark: MarkView | None
    funding: FundingView | None
    open_interest: OpenInterestView | None
    """These three are absent where the venue has not said them."""
    layers: list[Score]


class TradeView(Struct, frozen=True, kw_only=True):
    """One trade."""

    source: str = "trades"
    event_ns: int
    event_time: str
    received_ns: int
    """When its frame was read, by the clock of who listens; 0 where a recording kept none."""
    price: float
    size: float
    """Base units."""
    notional: float
    """Quote currency."""
    side: Side
    """The taker's."""
    trade_id: str


class Trades(OfMarket, frozen=True, kw_only=True):
    """The newest trades of one market, newest first; the last thousand are kept."""

    data: list[TradeView]
    has_more: bool
    next_cursor: str | None


def best(book: Book | None) -> dict[str, Any]:
    """Return a ticker's fields of the book."""
    usable = book is not None and book.in_sync and bool(book.bids and book.asks)
    cause = None
    if book is None:
        cause = NO_BOOK
    elif not usable:
        cause = book.cause or ONE_SIDED
    bid, bid_size = book.bids[0] if book and usable else (None, None)
    ask, ask_size = book.asks[0] if book and usable else (None, None)
    return {
        "bid": bid,
        "bid_size": bid_size,
        "ask": ask,
        "ask_size": ask_size,
        "book_cause": cause,
        "book_event_ns": book.event_ns if book else None,
        "book_event_time": book.event_time if book else None,
        "book_age_s": book.age_s if book else None,
        "book_stale": book.stale if book else True,
    }


def scores(cells: Mapping[str, Cell], origin: Origin, now_ns: int, stale_after_s: float) -> list[Score]:
    """Return what layers read, in short, by `layer|timeframe`; what another origin said is left out."""
    found: list[Score] = []
    for slot, cell in cells.items():
        layer, _, timeframe = slot.partition("|")
        if cell.origin is not origin:
            continue
        age = age_s(cell.seen_ns, now_ns)
        found.append(
            Score(
                layer=layer,
                timeframe=Timeframe(timeframe) if timeframe else None,
                score=cell.score,
                confidence=cell.confidence,
                cause=cell.facts.get("cause"),
                as_of_ns=cell.as_of_ns,
                as_of=rfc3339(cell.as_of_ns),
                age_s=age,
                stale=age > stale_after_s,
            )
        )
    return found


def trade_views(trades: Sequence[Trade]) -> list[TradeView]:
    """Return the views of trades."""
    return [
        TradeView(
            event_ns=trade.event_ns,
            event_time=rfc3339(trade.event_ns),
            received_ns=trade.received_ns,
            price=trade.price,
            size=trade.size,
            notional=trade.notional,
            side=trade.side,
            trade_id=trade.trade_id,
        )
        for trade in trades
    ]
