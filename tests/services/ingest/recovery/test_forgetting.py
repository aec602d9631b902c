"""What is left of a symbol that is not followed any more: what was offered comes out, and then nothing."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Gap, Liquidation, Origin, PositionSide, Trade
from libs.common.events.symbols import parse
from services.ingest.candles.history import History
from services.ingest.delivery.buffer import Buffer
from services.ingest.recovery.backfill import Limits
from services.ingest.recovery.gaps import Gaps
from services.ingest.recovery.recovery import Recovery
from services.ingest.venues.terms import Instrument

SYMBOLS = ("A-USDT", "B-USDT", "C-USDT")


def _event(symbol: str, number: int) -> Liquidation:
    return Liquidation(
        venue="tiny",
        symbol=symbol,
        event_ns=number,
        received_ns=number,
        price=1.0,
        size=1.0,
        liquidated=PositionSide.LONG,
    )


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "put", "forget", "take"]), st.sampled_from(SYMBOLS), st.integers(1, 7)
        ),
        max_size=60,
    )
)
async def test_no_order_of_offers_and_forgetting_loses_an_event_or_keeps_a_lane(
    steps: list[tuple[str, str, int]],
) -> None:
    buffer = Buffer(limit=100)
    offered: dict[str, list[int]] = defaultdict(list)
    taken: dict[str, list[int]] = defaultdict(list)
    forgotten: set[str] = set()

    async def take(most: int) -> None:
        for event in await buffer.take(most):
            taken[event.symbol].append(event.event_ns)

    for number, (what, symbol, most) in enumerate(steps):
        if what == "put":
            await buffer.put(_event(symbol, number))
            offered[symbol].append(number)
            forgotten.discard(symbol)
        elif what == "forget":
            buffer.forget(symbol)
            forgotten.add(symbol)
        elif buffer.pending:
            await take(most)
        assert buffer.pending == sum(map(len, offered.values())) - sum(map(len, taken.values()))
    while buffer.pending:
        await take(5)
    assert taken == {symbol: numbers for symbol, numbers in offered.items() if numbers}
    assert not {symbol for _, symbol in buffer._lanes} & forgotten


async def _drained(buffer: Buffer) -> list[object]:
    found: list[object] = []
    while buffer.pending:
        found += await buffer.take(100)
    return found


async def test_open_holes_of_a_forgotten_symbol_end_unrecovered_and_others_stay_open() -> None:
    buffer = Buffer()
    gaps = Gaps("tiny", Origin.LIVE, buffer)
    for symbol in SYMBOLS[:2]:
        for stream in ("trades", "books"):
            await gaps.noticed(symbol, stream, cause="disconnect", from_ns=5, now_ns=6)
    await gaps.forget("A-USDT", now_ns=9)
    ended = [one for one in await _drained(buffer) if isinstance(one, Gap) and one.to_ns > one.from_ns]
    assert {(one.symbol, one.stream, one.from_ns, one.to_ns, one.recovered) for one in ended} == {
        ("A-USDT", "trades", 5, 9, False),
        ("A-USDT", "books", 5, 9, False),
    }
    assert gaps.is_open("B-USDT", "trades")
    assert not gaps.is_open("A-USDT", "trades")


async def test_trades_that_wait_behind_a_hole_are_published_when_their_symbol_is_forgotten(tiny, rest_of) -> None:
    venue, buffer = tiny.Venue(), Buffer()
    instruments = {
        symbol: Instrument(symbol=symbol, native=symbol, kind=parse(symbol), tick=0.1, lot=0.1) for symbol in SYMBOLS
    }
    recovery = Recovery(
        venue,
        instruments,
        rest_of(lambda path: []),
        buffer,
        Gaps("tiny", Origin.LIVE, buffer),
        limits=Limits(grace_s=60.0),
    )
    for number in (1, 3, 6):
        await recovery.offer(tiny.trade(number, symbol="A-USDT"))
    assert recovery.held == 2
    await recovery.forget("A-USDT")
    await recovery.forget("A-USDT")
    assert recovery.held == 0
    assert recovery.filling == []
    trades = [one for one in await _drained(buffer) if isinstance(one, Trade)]
    assert [int(one.trade_id) for one in trades] == [1, 3, 6]
    assert recovery.follow(instruments["A-USDT"])
    assert not recovery.follow(instruments["A-USDT"])


@pytest.mark.parametrize("known", [True, False])
async def test_errands_of_a_forgotten_symbol_are_not_run(tiny, rest_of, known: bool) -> None:
    instruments = {symbol: tiny.Venue.instrument(symbol) for symbol in SYMBOLS[:1]}
    history = History(tiny.Venue(), instruments, rest_of(lambda path: []), Buffer(), bars=5)
    history.begin()
    assert history._errands
    errand = history._errands[0]
    instruments.clear()
    if known:
        history.forget("A-USDT")
        assert history._errands == []
    await history._do(errand)  # one that was on its way
    assert all(one.symbol != "A-USDT" or not known for one in history._errands)
