"""Folding: what comes twice counts once, what is older never wins, a book is never shown across a break."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import BookDelta, BookSnapshot, DeliveryState, Gap, Origin, Source, Timeframe
from services.gateway.projections.ladder import Ladder
from services.gateway.projections.live import Live
from services.gateway.schemas.signals import mask
from services.gateway.schemas.times import rfc3339
from services.gateway.store.store import SignalFilter

TABLES = ("markets", "candles", "signals", "deliveries", "gaps")


async def dump(gateway):
    """Every row of every table."""
    return {
        table: [
            tuple(row)
            for row in await gateway.store._pool.fetch(f"SELECT * FROM gateway.{table} ORDER BY 1, 2, 3, 4, 5")
        ]
        for table in TABLES
    }


def gap(make, *, recovered=False, to=0):
    return Gap(
        venue="okx",
        symbol="BTC-USDT-PERP",
        event_ns=make.NOON + to,
        received_ns=0,
        origin=Origin.SIMULATED,
        stream="trades",
        from_ns=make.NOON,
        to_ns=make.NOON + to,
        cause="disconnect",
        recovered=recovered,
    )


async def test_a_batch_folded_twice_leaves_the_same_rows(gateway, make):
    signal = make.signal()
    events = [
        make.candle(),
        make.candle(make.NOON + make.MINUTE, source=Source.REST),
        signal,
        make.verdict(signal),
        make.delivery(),
        gap(make),
        gap(make, recovered=True, to=5),
        make.candle(),
    ]
    await gateway.fold(*events)
    once = await dump(gateway)
    await gateway.fold(*events)
    await gateway.fold(*events[:3])
    assert await dump(gateway) == once
    assert [len(once[table]) for table in TABLES] == [1, 2, 1, 1, 1]


async def test_a_closed_candle_is_never_reopened_and_a_later_one_corrects_it(gateway, make):
    async def close():
        (row,) = await gateway.store.markets("BTC-USDT-PERP")
        (bar,) = await gateway.store.candles(row, Timeframe.M1, limit=9)
        return bar.close, bar.closed

    await gateway.fold(make.candle(close=100.5, closed=False, known=1))
    assert await close() == (100.5, False)
    await gateway.fold(make.candle(close=101.0, known=3))
    await gateway.fold(make.candle(close=99.5, closed=False, known=4))
    await gateway.fold(make.candle(close=98.0, known=2))
    assert await close() == (101.0, True)
    await gateway.fold(make.candle(close=101.5, known=5))
    assert await close() == (101.5, True)


async def test_origins_do_not_mix(gateway, make):
    await gateway.fold(make.candle(close=101.0), make.candle(close=55.0 + 45, origin=Origin.RECORDED))
    (row,) = await gateway.store.markets()
    assert row.origin is Origin.RECORDED
    (bar,) = await gateway.store.candles(row, Timeframe.M1, limit=9)
    assert (bar.close, bar.origin) == (100.0, Origin.RECORDED)


async def test_a_verdict_may_come_before_its_signal_and_an_older_one_does_not_win(gateway, make):
    signal = make.signal()
    await gateway.fold(make.verdict(signal, decided=10))
    await gateway.fold(signal)
    await gateway.fold(make.verdict(signal, decided=9))
    stored = await gateway.store.signal("sig-0001")
    assert (stored.decided_ns, stored.signal) == (10, signal)


async def test_a_delivery_that_is_older_does_not_win(gateway, make):
    await gateway.fold(make.delivery(DeliveryState.DELIVERED, at=5), make.delivery(DeliveryState.SENDING, at=4))
    assert await gateway.store.delivery_counts() == {"delivered": 1}


async def test_a_recovered_gap_is_closed_and_stays_so(gateway, make):
    await gateway.fold(gap(make))
    key = ("okx", "BTC-USDT-PERP", "trades")
    assert (await gateway.store.gap_counts())[key] == (1, 1)
    await gateway.fold(gap(make, recovered=True, to=7))
    await gateway.fold(gap(make))
    assert (await gateway.store.gap_counts())[key] == (1, 0)


async def test_books_are_written_at_most_four_times_a_second(gateway, make):
    await gateway.fold(make.trade(), make.snapshot(10))
    await gateway.fold(make.delta(11, 11, bids=[(99.5, 1.0)]))
    book = await gateway.latest.book("okx", "BTC-USDT-PERP", gateway.clock())
    assert book.sequence == 10
    gateway.clock.now += make.SECOND // 4
    await gateway.live.flush()
    book = await gateway.latest.book("okx", "BTC-USDT-PERP", gateway.clock())
    assert (book.sequence, book.bids[0]) == (11, (99.5, 1.0))


async def test_after_a_restart_the_last_book_is_shown_as_stale_until_a_snapshot_comes(gateway, make):
    await gateway.fold(make.trade(), make.trade(n=2), make.snapshot(10))
    gateway.live = Live(gateway.store, gateway.latest, gateway.clock)
    await gateway.live.restore()
    gateway.clock.now += 60 * make.SECOND
    await gateway.fold(make.delta(11, 11, bids=[(99.5, 1.0)]), make.trade(n=3))
    answer = await gateway.board.book("BTC-USDT-PERP", depth=5)
    assert (answer.book.sequence, answer.book.stale, answer.book.age_s) == (10, True, 60.0)
    await gateway.fold(make.snapshot(12))
    answer = await gateway.board.book("BTC-USDT-PERP", depth=5)
    assert (answer.book.sequence, answer.book.stale) == (12, False)
    feeds = {feed.stream: feed.events for feed in await gateway.latest.feeds(gateway.clock())}
    assert feeds == {"trades": 3, "books": 3}


async def test_what_is_kept_is_what_was_published(gateway, make):
    signal = make.signal()
    await gateway.fold(signal)
    (stored,) = await gateway.store.signals(SignalFilter(), limit=5)
    assert msgspec.json.encode(stored.signal) == msgspec.json.encode(signal)


def test_a_duplicate_delta_changes_nothing(make):
    ladder = Ladder()
    assert not ladder.change(make.delta(1, 1, bids=[(1.0, 1.0)]))
    ladder.replace(make.snapshot(10))
    assert ladder.change(make.delta(11, 13, bids=[(99.0, 7.0)]))
    assert not ladder.change(make.delta(11, 13, bids=[(99.0, 8.0)]))
    assert not ladder.change(make.delta(9, 10, bids=[(99.0, 9.0)]))
    assert ladder.top(1) == (((99.0, 7.0),), ((101.0, 3.0),))


def test_a_chained_reset_to_a_smaller_sequence_goes_on(make):
    ladder = Ladder()
    ladder.replace(make.snapshot(100))
    assert ladder.change(make.delta(101, 3, bids=[(99.0, 7.0)]))
    assert ladder.in_sync
    assert ladder.change(make.delta(4, 5))
    assert ladder.sequence == 5


@pytest.mark.parametrize(("first", "last"), [(12, 12), (10, 12)])
def test_a_hole_or_an_overlap_is_out_of_sync_until_a_snapshot(make, first, last):
    ladder = Ladder()
    ladder.replace(make.snapshot(10))
    assert ladder.change(make.delta(first, last))
    assert not ladder.in_sync
    assert "expected" in (ladder.lost or "")
    ladder.replace(make.snapshot(20))
    assert ladder.in_sync


_LEVELS = st.lists(st.tuples(st.integers(1, 30).map(float), st.integers(0, 3).map(float)), max_size=6)


@given(st.lists(_LEVELS, max_size=20))
def test_the_ladder_is_the_fold_of_its_deltas(tape):
    ladder, plain = Ladder(), {}
    ladder.replace(BookSnapshot(venue="v", symbol="s", event_ns=0, received_ns=0, bids=(), asks=(), sequence=0))
    for number, levels in enumerate(tape, start=1):
        delta = BookDelta(
            venue="v",
            symbol="s",
            event_ns=0,
            received_ns=0,
            bids=tuple(levels),
            asks=(),
            first_sequence=number,
            last_sequence=number,
        )
        ladder.change(delta)
        plain.update(dict(levels))
    wanted = sorted(((p, s) for p, s in plain.items() if s), reverse=True)
    assert ladder.top(50)[0] == tuple(wanted)
    assert ladder.top(3)[0] == tuple(wanted[:3])


def test_times_and_addresses_as_people_read_them():
    assert rfc3339(1_723_118_400_000_000_001) == "2024-08-08T12:00:00.000000001Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000000000Z"
    assert (mask("123456789"), mask("123"), mask("")) == ("***89", "***", "***")
