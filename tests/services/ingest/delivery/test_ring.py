"""The disk ring: order, bounds, torn and damaged records, a disk that refuses, and the next process."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.common.events import Candle, FundingRate, Liquidation, MarketEvent, PositionSide, Timeframe, Trade
from services.ingest.delivery.ring import Ring

MIB = 2**20


def liquidation(number: int) -> Liquidation:
    return Liquidation(
        venue="tiny",
        symbol="BTC-USDT",
        event_ns=number,
        received_ns=number,
        price=1.0,
        size=1.0,
        liquidated=PositionSide.LONG,
    )


def funding(number: int) -> FundingRate:
    return FundingRate(venue="tiny", symbol="BTC-USDT", event_ns=number, received_ns=number, rate=0.1)


def candle(number: int) -> Candle:
    return Candle(
        venue="tiny",
        symbol="BTC-USDT",
        event_ns=number,
        received_ns=number,
        timeframe=Timeframe.M1,
        open_ns=0,
        open=1.0,
        high=1.0,
        low=1.0,
        close=1.0,
        volume=1.0,
    )


def drain(ring: Ring, most: int = 7) -> list[MarketEvent]:
    events: list[MarketEvent] = []
    while True:
        records, lost = ring.read(most)
        assert not lost
        if not records:
            return events
        events += [record.event for record in records]
        ring.acknowledge(records[-1].number)


def the_file(folder: Path, lane: str = "trades") -> Path:
    (path,) = folder.glob(f"{lane}-*.ring")
    return path


def test_what_goes_in_comes_out_in_order_across_lanes_and_leaves_no_file(tmp_path, tiny) -> None:
    mixed = [make(n) for n in range(1, 60) for make in (tiny.trade, liquidation, funding, candle)]
    with Ring(tmp_path, MIB) as ring:
        for start in range(0, len(mixed), 10):
            assert not ring.append(mixed[start : start + 10]).refused
        assert drain(ring) == mixed
        assert ring.size == 0
    assert not list(tmp_path.glob("*.ring"))


def test_the_next_process_reads_what_was_not_acknowledged(tmp_path, tiny) -> None:
    trades = [tiny.trade(number) for number in range(1, 101)]
    with Ring(tmp_path, MIB) as ring:
        ring.append(trades)
        records, _ = ring.read(40)
        ring.acknowledge(records[-1].number)
        ring.read(10)  # on their way when it was killed
    ring = Ring(tmp_path, MIB)
    found = {key: event for one in ring.open() for key, event in one.last.items()}
    assert found == {("BTC-USDT", "trades"): trades[-1]}
    ring.append([tiny.trade(101)])
    assert drain(ring) == [*trades[40:], tiny.trade(101)]
    ring.close()


def test_two_processes_cannot_have_one_ring(tmp_path) -> None:
    with Ring(tmp_path, MIB), pytest.raises(BlockingIOError):
        Ring(tmp_path, MIB).open()


@pytest.mark.parametrize("cut", [1, 15, 16, 17, 60])
def test_a_torn_last_record_is_cut_and_the_others_stay(tmp_path, tiny, cut: int) -> None:
    with Ring(tmp_path, MIB) as ring:
        ring.append([tiny.trade(number) for number in range(1, 11)])
    path = the_file(tmp_path)
    os.truncate(path, path.stat().st_size - cut)
    ring = Ring(tmp_path, MIB)
    found = ring.open()
    assert sum(one.events for one in found) == 9
    assert sum(one.cut_bytes for one in found) > 0
    ring.append([tiny.trade(11)])
    assert [int(one.trade_id) for one in drain(ring) if isinstance(one, Trade)] == [*range(1, 10), 11]
    ring.close()


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\xff" * 100, b"\x20\0\0\0"])
def test_garbage_at_the_end_is_no_record(tmp_path, tiny, tail: bytes) -> None:
    with Ring(tmp_path, MIB) as ring:
        ring.append([tiny.trade(1)])
    with the_file(tmp_path).open("ab") as file:
        file.write(tail)
    with Ring(tmp_path, MIB) as ring:
        assert drain(ring) == [tiny.trade(1)]


def test_a_flipped_bit_ends_its_file_and_the_hole_is_named(tmp_path, tiny) -> None:
    with Ring(tmp_path, 64 * 1024) as ring:  # files of 2 KiB
        for number in range(1, 61):
            ring.append([tiny.trade(number)])
    paths = sorted(tmp_path.glob("trades-*.ring"))
    data = bytearray(paths[1].read_bytes())
    data[len(data) // 2] ^= 1
    paths[1].write_bytes(data)
    first = [int(path.stem.partition("-")[2]) for path in paths]
    ring = Ring(tmp_path, 64 * 1024)
    holes = [hole for one in ring.open() for hole in one.holes]
    kept = [one.event_ns // 1_000_000 for one in drain(ring)]
    ring.close()
    before = max(number for number in kept if number < first[2])
    assert kept == [*range(1, before + 1), *range(first[2], 61)]
    key = ("BTC-USDT", "trades")
    assert holes == [({key: before * 1_000_000}, {key: first[2] * 1_000_000})]


def test_damage_that_comes_while_it_runs_costs_the_rest_of_its_file(tmp_path, tiny) -> None:
    with Ring(tmp_path, MIB) as ring:
        ring.append([tiny.trade(number) for number in range(1, 11)])
        path = the_file(tmp_path)
        data = bytearray(path.read_bytes())
        data[20] ^= 1
        path.write_bytes(data)
        records, (lost,) = ring.read(100)
        assert records == []
        (span,) = lost.values()
        assert (span.count, span.first_ns, span.last_ns) == (10, 1_000_000, 10_000_000)
        assert not ring.unread


def test_room_is_made_in_order_of_worth_and_never_beyond_the_limit(tmp_path, tiny) -> None:
    limit = 64 * 1024
    with Ring(tmp_path, limit) as ring:
        number = 0
        while not ring.append([funding(number)]).refused:
            number += 1
        assert ring.size <= limit
        assert not ring.take_dropped()
        assert not ring.append([liquidation(1)]).refused
        ((key, span),) = ring.take_dropped().items()
        assert key == ("BTC-USDT", "funding")
        assert span.first_ns == 0
        while not ring.append([tiny.trade(number)]).refused:
            number += 1
            assert ring.size <= limit
        assert ring.unread.keys() == {"trades"}
        assert ring.append([tiny.trade(1, symbol="ETH-USDT"), funding(1)]).stored == 0
        assert sum(path.stat().st_size for path in tmp_path.glob("*.ring")) == ring.size <= limit


def test_a_symbol_that_lost_a_trade_stays_shut_until_it_is_reopened(tmp_path, tiny) -> None:
    with Ring(tmp_path, 64 * 1024) as ring:
        number = 1
        while not ring.append([tiny.trade(number)]).refused:
            number += 1
        drain(ring)
        assert ring.append([tiny.trade(number + 1)]).refused
        assert not ring.append([tiny.trade(number, symbol="ETH-USDT")]).refused
        ring.reopen("BTC-USDT")
        assert not ring.append([tiny.trade(number)]).refused


def test_what_may_be_on_its_way_is_not_deleted(tmp_path, tiny) -> None:
    with Ring(tmp_path, 64 * 1024) as ring:
        number = 0
        while not ring.append([funding(number)]).refused:
            number += 1
        records, _ = ring.read(5)
        stored = ring.append([tiny.trade(1)])
        assert not stored.refused
        ring.acknowledge(records[-1].number)
        first = drain(ring)[0]
        dropped = ring.take_dropped()["BTC-USDT", "funding"]
        assert first.event_ns == 5
        assert dropped.first_ns > 5


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file of this process grows beyond 8 KiB: writing there fails as on a full disk, half way through a record."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_a_disk_that_is_full_leaves_no_partial_record(tmp_path, tiny) -> None:
    ring = Ring(tmp_path, MIB)
    ring.open()
    numbers: list[int] = []

    def fill() -> None:
        while True:
            ring.append([tiny.trade(len(numbers) + 1), liquidation(len(numbers) + 1)])
            numbers.append(len(numbers) + 1)

    with pytest.raises(OSError, match="File too large"):
        fill()
    kept = len(numbers)
    assert 0 < the_file(tmp_path).stat().st_size < 8192
    assert ring.unread == {"trades": kept, "liquidations": kept}
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)  # space returns
    ring.append([tiny.trade(kept + 1), liquidation(kept + 1)])
    events = drain(ring)
    assert [int(one.trade_id) for one in events if isinstance(one, Trade)] == [*range(1, kept + 2)]
    assert len(events) == 2 * (kept + 1)
    ring.close()


def test_a_place_that_is_no_directory_is_refused(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="Not a directory"):
        Ring(tmp_path / "file" / "ring", MIB).open()
