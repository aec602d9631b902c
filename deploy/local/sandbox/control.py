"""The sandbox's own side door: what was really emitted (the oracle of tests), its state, its markets, faults, pause."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from deploy.local.sandbox.exchange import Exchange
from deploy.local.sandbox.faults import Faults
from deploy.local.sandbox.floor import Floor
from deploy.local.sandbox.handler import Request, Response
from deploy.local.sandbox.shown import Shown, Standing

PREFIX: Final = "/control/"
_NDJSON: Final = "application/x-ndjson"


class Pause(Struct):
    """Whether the market stands still."""

    on: bool = False


class Control:
    """Answers everything under /control/."""

    def __init__(
        self,
        exchanges: Sequence[Exchange],
        faults: Faults,
        pause: Pause,
        progress: Callable[[], dict[str, Any]],
        floor: Floor | None = None,
    ) -> None:
        """Take what is controlled; a recording has no `floor`: its markets are what was recorded."""
        self._exchanges = exchanges
        self._faults = faults
        self._pause = pause
        self._progress = progress
        self._floor = floor

    def answer(self, request: Request) -> Response:
        """Answer one call; 400 and 404 bodies say what is wrong."""
        call = (request.method, request.path.removeprefix(PREFIX))
        try:
            return self._answer(call, request)
        except (KeyError, ValueError) as e:
            return Response(status=400, body=msgspec.json.encode({"msg": str(e)}))

    def _answer(self, call: tuple[str, str], request: Request) -> Response:
        calls: dict[tuple[str, str], Callable[[], Response]] = {
            ("GET", "status"): lambda: _json(self.status()),
            ("GET", "trades"): lambda: _lines(
                (print_rows if request.query.get("by") == "print" else trade_rows)(self._market(request.query))
            ),
            ("GET", "liquidations"): lambda: _lines(
                [row for market in self._markets(request.query) for row in liquidation_rows(market)]
            ),
            ("GET", "book"): lambda: _json(book_row(self._market(request.query))),
            ("POST", "faults"): lambda: _json({"armed": self._faults.load(request.body, _loop_s())}),
            ("POST", "market"): lambda: self._put(request.query),
            ("POST", "pause"): lambda: self._stand(still=True),
            ("POST", "resume"): lambda: self._stand(still=False),
        }
        if call not in calls:
            return Response(status=404, body=b'{"msg":"no such call under /control/"}')
        return calls[call]()

    def _stand(self, *, still: bool) -> Response:
        self._pause.on = still
        return _json({"paused": still})

    def _put(self, query: Mapping[str, str]) -> Response:
        """List, announce, halt or delist a market: `standing` says which."""
        if self._floor is None:
            raise KeyError("a recording's markets are what was recorded")
        standing = Standing(query.get("standing", ""))
        self._floor.put(query.get("venue", ""), query.get("symbol", ""), standing)
        return _json({"venue": query["venue"], "symbol": query["symbol"], "standing": standing})

    def status(self) -> dict[str, Any]:
        """Return counts: connections, frames, faults, the market's progress."""
        exchanges = {
            exchange.name: {
                "connections": len(exchange.sockets),
                "streams": sorted(exchange.streams()),
                "trades": sum(len(market.tape.fills) for market in exchange.markets.values()),
                "trades_forgotten": sum(market.tape.forgotten for market in exchange.markets.values()),
                **exchange.counts,
            }
            for exchange in self._exchanges
        }
        faults = {"applied": dict(self._faults.applied), "waiting": self._faults.waiting}
        return {"paused": self._pause.on, "faults": faults, "exchanges": exchanges, **self._progress()}

    def _markets(self, query: Mapping[str, str]) -> list[Shown]:
        wanted = query.get("venue"), query.get("symbol")
        every = [
            market for exchange in self._exchanges for market in (*exchange.markets.values(), *exchange.gone.values())
        ]
        return [
            market
            for market in every
            if wanted[0] in {None, market.listing.venue} and wanted[1] in {None, market.listing.symbol}
        ]

    def _market(self, query: Mapping[str, str]) -> Shown:
        for key in ("venue", "symbol"):
            if key not in query:
                raise KeyError(f"{key} is missing")
        found = self._markets(query)
        if not found:
            raise KeyError(f"no market {query['symbol']} on {query['venue']}")
        return found[0]


def trade_rows(market: Shown) -> list[dict[str, Any]]:
    """Return every raw trade; price and size are the venue's texts, `print_id` is the aggregate's."""
    row = market.listing
    return [
        {
            "venue": row.venue,
            "symbol": row.symbol,
            "trade_id": str(fill.trade_id),
            "print_id": str(fill.print_id),
            "price": row.price_text(fill.price),
            "size": row.size_text(fill.lots),
            "side": "buy" if fill.buy else "sell",
            "ts_ms": fill.ms,
            "market": fill.market,
        }
        for fill in market.tape.fills
    ]


def print_rows(market: Shown) -> list[dict[str, Any]]:
    """Return every taker's fills at one price as one row: Binance's aggregate trades, OKX's `trades` rows.

    Binance's id of such a row is `print_id`, OKX's is `last_trade_id`.
    """
    row = market.listing
    return [
        {
            "venue": row.venue,
            "symbol": row.symbol,
            "print_id": str(one.print_id),
            "first_trade_id": str(one.fills[0].trade_id),
            "last_trade_id": str(one.fills[-1].trade_id),
            "price": row.price_text(one.fills[0].price),
            "size": row.size_text(one.lots),
            "side": "buy" if one.fills[0].buy else "sell",
            "ts_ms": one.fills[0].ms,
        }
        for one in market.tape.prints
    ]


def liquidation_rows(market: Shown) -> list[dict[str, Any]]:
    """Return every forced order; `liquidated` is who lost."""
    row = market.listing
    return [
        {
            "venue": row.venue,
            "symbol": row.symbol,
            "price": row.price_text(one.price),
            "average": row.price_text(one.average),
            "size": row.size_text(one.lots),
            "liquidated": "short" if one.buy else "long",
            "ts_ms": one.ms,
        }
        for one in market.liquidations
    ]


def book_row(market: Shown) -> dict[str, Any]:
    """Return the whole book, best levels first, in the venue's texts and size unit."""
    row = market.listing
    bids, asks = (
        [[row.price_text(price), row.size_text(lots)] for price, lots in side] for side in market.book.depth(10**6)
    )
    where = {"venue": row.venue, "symbol": row.symbol, "contract_size": row.contract_size}
    return {**where, "sequence": market.book.sequence, "bids": bids, "asks": asks}


def _loop_s() -> float:
    return asyncio.get_running_loop().time()


def _json(value: Any) -> Response:
    return Response(body=msgspec.json.encode(value))


def _lines(rows: Sequence[Mapping[str, Any]]) -> Response:
    return Response(body=b"".join(msgspec.json.encode(row) + b"\n" for row in rows), content_type=_NDJSON)
