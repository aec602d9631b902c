"""What each venue's next id leads to: the documented table, case by case on the wire, and every other id by a property.

The left side of each row is the vendor's rule (OKX: `prevSeqId` names the state it continues, a smaller linked `seqId`
is maintenance, an equal pair a keepalive; Binance: `pu`, or `U` and `u` of spot; Bybit: `u` plus one, 1 after a
restart; CoinAPI: a count for each connection). Every book stands at 10.
"""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import BookDelta, BookSnapshot, Gap, Origin
from libs.common.events.symbols import perpetual, spot
from services.ingest.venues.binance_coinm import BinanceCoinm
from services.ingest.venues.binance_spot import BinanceSpot
from services.ingest.venues.binance_usdm import BinanceUsdm
from services.ingest.venues.bybit import Bybit
from services.ingest.venues.coinapi_stream import CoinapiSession
from services.ingest.venues.okx import Okx
from services.ingest.venues.terms import Instrument, Item, Plan, Reconnect, Resubscribe, SnapshotWanted, Stream
from services.ingest.venues.venue import Session

AT = 1_700_000_000_000
BIDS, ASKS, MORE = [["100", "1"]], [["101", "1"]], [["99", "2"]]
ASKED = (SnapshotWanted, Resubscribe, Reconnect)


def instrument(native: str, kind: Any, **more: Any) -> dict[str, Instrument]:
    return {native: Instrument(symbol=str(kind), native=native, kind=kind, tick=0.1, lot=0.01, **more)}


LINEAR, SPOT, INVERSE = perpetual("BTC", "USDT"), spot("BTC", "USDT"), perpetual("BTC", "USD")


def plan(symbol: Any, url: str = "") -> Plan:
    return Plan(url=url, symbols=(str(symbol),), streams=(Stream.BOOKS,))


class Desk:
    """One venue's session with a book at 10."""

    def __init__(
        self, session: Session, symbol: str, frame: Callable[..., Any], begin: Callable[["Desk"], object]
    ) -> None:
        self.session, self.symbol, self.frame = session, symbol, frame
        begin(self)
        assert session.book(symbol) is not None

    def hear(self, *ids: int, **more: Any) -> list[Item]:
        return self.session.receive(json.dumps(self.frame(*ids, **more)).encode(), AT * 1_000_000)

    def outcome(self, *ids: int, **more: Any) -> str:
        items = self.hear(*ids, **more)
        words = [word for item in items if (word := self._word(item))]
        in_sync = self.session.book(self.symbol) is not None
        assert in_sync == ("lost" not in words or "whole" in words)
        assert ("asked" in words) == (not in_sync)
        return " ".join(word for word in words if word != "asked") or "ignored"

    @staticmethod
    def _word(item: Item) -> str:
        if isinstance(item, Gap):
            return "" if item.recovered else "lost"
        if isinstance(item, ASKED):
            return "asked"
        return {BookDelta: "applied", BookSnapshot: "whole"}[type(item)]  # anything else is a fault of the table


def okx() -> Desk:
    def frame(previous: int, sequence: int, *, action: str = "update", bids: Any = MORE) -> Any:
        asks = ASKS if action == "snapshot" else []
        sides = [[[*level, "0", "1"] for level in side] for side in (bids, asks)]
        row: dict[str, Any] = {"bids": sides[0], "asks": sides[1]}
        row |= {"ts": str(AT), "seqId": sequence, "prevSeqId": previous}
        return {"arg": {"channel": "books", "instId": "BTC-USDT-SWAP"}, "action": action, "data": [row]}

    session = Okx().session(plan(LINEAR), instrument("BTC-USDT-SWAP", LINEAR), Origin.LIVE)
    return Desk(session, str(LINEAR), frame, lambda desk: desk.hear(-1, 10, action="snapshot", bids=BIDS))


def bybit() -> Desk:
    def frame(update: int, *, kind: str = "delta", bids: Any = MORE, asks: Any = ()) -> Any:
        data = {"s": "BTCUSDT", "b": bids, "a": asks, "u": update, "seq": 1}
        return {"topic": "orderbook.200.BTCUSDT", "type": kind, "ts": AT, "cts": AT, "data": data}

    where = plan(LINEAR, "wss://x/v5/public/linear")
    session = Bybit().session(where, instrument("linear:BTCUSDT", LINEAR), Origin.LIVE)
    return Desk(session, str(LINEAR), frame, lambda desk: desk.hear(10, kind="snapshot", bids=BIDS, asks=ASKS))


def binance(make: Callable[[], Any], native: str, kind: Any, *, chained: bool) -> Desk:
    def frame(first: int, last: int, previous: int | None = None) -> Any:
        said = {"e": "depthUpdate", "E": AT, "s": native, "U": first, "u": last, "b": MORE, "a": []}
        if chained:
            said |= {"T": AT, "pu": first - 1 if previous is None else previous, "ps": "BTCUSD"}
        return {"stream": f"{native.lower()}@depth", "data": said}

    def begin(desk: Desk) -> None:
        assert [type(item) for item in desk.hear(8, 10)] == [SnapshotWanted]
        body = {"lastUpdateId": 10, "E": AT, "T": AT, "bids": BIDS, "asks": ASKS}
        desk.session.snapshot(str(kind), json.dumps(body).encode(), AT * 1_000_000)

    known = instrument(native, kind, contract_size=100.0 if kind is INVERSE else 1.0, inverse=kind is INVERSE)
    return Desk(make().session(plan(kind), known, Origin.LIVE), str(kind), frame, begin)


def coinapi() -> Desk:
    def frame(sequence: int, *, whole: bool = False) -> Any:
        levels = {"bids": [{"price": 100, "size": 1}], "asks": [{"price": 101, "size": 1}]}
        said = {"type": "book", "symbol_id": "X_SPOT_BTC_USDT", "sequence": sequence, "is_snapshot": whole, **levels}
        return said | {"time_exchange": "2026-09-25T01:29:06.0000000Z"}

    session = CoinapiSession(plan(SPOT), instrument("X_SPOT_BTC_USDT", SPOT), Origin.LIVE)
    return Desk(session, str(SPOT), frame, lambda desk: desk.hear(10, whole=True))


DESKS: dict[str, Callable[[], Desk]] = {
    "okx": okx,
    "bybit": bybit,
    "binance-spot": lambda: binance(BinanceSpot, "BTCUSDT", SPOT, chained=False),
    "binance-usdm": lambda: binance(BinanceUsdm, "BTCUSDT", LINEAR, chained=True),
    "binance-coinm": lambda: binance(BinanceCoinm, "BTCUSD_PERP", INVERSE, chained=True),
    "coinapi": coinapi,
}

FUTURES: list[tuple[str, list[tuple[int, ...]], str]] = [
    ("next", [(11, 12, 10)], "applied"),
    ("grouped: ids between are not named", [(11, 40, 10)], "applied"),
    ("repeat", [(8, 10, 7)], "ignored"),
    ("older", [(3, 5, 2)], "ignored"),
    ("hole", [(13, 14, 12)], "lost"),
    ("overlap that no `pu` links", [(9, 12, 8)], "lost"),
    ("ids that began anew", [(1, 2, 0)] * 21, "lost"),
]
TABLE: dict[str, list[tuple[str, list[tuple[int, ...]], str]]] = {
    "okx": [
        ("next, not consecutive", [(10, 15)], "applied"),
        ("maintenance: smaller and linked", [(10, 3)], "applied"),
        ("on from the smaller one", [(10, 3), (3, 4)], "applied"),
        ("repeat of the last", [(10, 15), (10, 15)], "ignored"),
        ("hole", [(12, 15)], "lost"),
        ("smaller and not linked", [(5, 8)], "lost"),
        ("an update that claims to be the first", [(-1, 20)], "lost"),
    ],
    "bybit": [
        ("next", [(11,)], "applied"),
        ("equal", [(10,)], "ignored"),
        ("hole", [(12,)], "lost"),
        ("decrease", [(9,)], "lost"),
        ("restart of the service", [(1,)], "whole"),
    ],
    "binance-spot": [
        ("next", [(11, 12)], "applied"),
        ("overlap: levels are absolute", [(9, 12)], "applied"),
        ("repeat", [(8, 10)], "ignored"),
        ("hole", [(12, 13)], "lost"),
        ("ids that began anew", [(1, 2)] * 21, "lost"),
    ],
    "binance-usdm": FUTURES,
    "binance-coinm": FUTURES,
    "coinapi": [
        ("next", [(11,)], "applied"),
        ("equal", [(10,)], "ignored"),
        ("hole", [(12,)], "lost"),
        ("decrease", [(9,)], "lost"),
        ("the count began anew", [(1,)], "lost"),
    ],
}
ROWS = [(venue, *row) for venue, rows in TABLE.items() for row in rows]


@pytest.mark.parametrize(("venue", "name", "ids", "outcome"), ROWS, ids=[f"{row[0]}: {row[1]}" for row in ROWS])
def test_each_row_of_the_table(venue: str, name: str, ids: list[tuple[int, ...]], outcome: str) -> None:
    desk = DESKS[venue]()
    assert [desk.outcome(*one) for one in ids][-1] == outcome, name


def test_an_equal_pair_without_levels_is_okx_saying_that_it_lives() -> None:
    desk = okx()
    assert desk.outcome(10, 10, bids=[]) == "ignored"
    assert desk.outcome(10, 12) == "applied"


@pytest.mark.parametrize(
    ("make", "again"),
    [
        (okx, {"ids": (-1, 3), "action": "snapshot", "bids": BIDS}),
        (bybit, {"ids": (3,), "kind": "snapshot", "bids": BIDS, "asks": ASKS}),
    ],
)
def test_a_whole_book_in_the_middle_replaces_what_was_there(make: Callable[[], Desk], again: dict[str, Any]) -> None:
    desk = make()
    assert desk.outcome(*again.pop("ids"), **again) == "whole"
    assert desk.outcome(*((3, 4) if make is okx else (4,))) == "applied"


def test_a_whole_book_behind_a_jump_of_the_count_is_a_hole_that_it_ends() -> None:
    assert coinapi().outcome(15, whole=True) == "lost whole"


IDS = st.integers(0, 25)


@given(st.integers(-1, 25), IDS)
def test_any_pair_of_okx(previous: int, sequence: int) -> None:
    expected = "applied" if previous == 10 else "ignored" if (previous, sequence) == (-1, 10) else "lost"
    assert okx().outcome(previous, sequence) == expected


@given(IDS)
def test_any_number_of_bybit_and_of_coinapi(number: int) -> None:
    expected = {10: "ignored", 11: "applied"}.get(number, "lost")
    assert coinapi().outcome(number) == expected
    assert bybit().outcome(number) == ("whole" if number == 1 else expected)


@given(IDS, st.integers(0, 10), IDS)
def test_any_ids_of_binance(first: int, more: int, previous: int) -> None:
    last = first + more
    joined = "applied" if first <= 11 <= last else "ignored" if last <= 10 else "lost"
    assert DESKS["binance-spot"]().outcome(first, last) == joined
    linked = "applied" if previous == 10 else "ignored" if last <= 10 else "lost"
    for venue in ("binance-usdm", "binance-coinm"):
        assert DESKS[venue]().outcome(first, last, previous) == linked
