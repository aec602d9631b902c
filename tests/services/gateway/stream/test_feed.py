"""The feed: what is new is told once, positions and sequences have no holes, and rolled back is never told."""

import asyncio

import msgspec
import pytest

from libs.common.events import Barrier, DeliveryState, Outcome
from services.gateway.projections.signals import SignalFold
from services.gateway.store import feed
from services.gateway.store.feed import Item
from services.gateway.store.store import Store

CHANNELS = ("signals", "verdicts", "outcomes", "deliveries")


async def told(gateway, channel="signals"):
    return await gateway.store.feed.after(channel, 0, 10_000)


def outcome(of, *, resolved=0, barrier=Barrier.STOP):
    return Outcome(
        venue=of.venue,
        symbol=of.symbol,
        origin=of.origin,
        signal_id=of.signal_id,
        timeframe=of.timeframe,
        resolved_ns=of.as_of_ns + resolved,
        barrier=barrier,
        r_multiple=-1.0,
        mfe=0.2,
        mae=1.0,
    )


async def test_what_comes_again_is_not_told_again(gateway, make):
    signals = [make.signal(n) for n in range(3)]
    events = [*signals, make.verdict(signals[0]), outcome(signals[1]), make.delivery()]
    for _ in range(3):
        await gateway.fold(*events)
    await gateway.fold(signals[2], make.verdict(signals[0]))
    counts = {channel: len(await told(gateway, channel)) for channel in CHANNELS}
    assert counts == {"signals": 3, "verdicts": 1, "outcomes": 1, "deliveries": 1}
    stands = await gateway.store.feed.stands()
    assert {channel: stand.position for channel, stand in stands.items()} == counts


async def test_a_verdict_that_overtakes_its_signal_tells_the_signal_first_and_once(gateway, make):
    signal = make.signal()
    await gateway.fold(make.verdict(signal))
    await gateway.fold(signal, make.verdict(signal))
    (said,) = await told(gateway)
    assert msgspec.json.decode(said.body)["signal_id"] == signal.signal_id
    assert msgspec.json.decode(said.body)["decision"] is None
    (word,) = await told(gateway, "verdicts")
    assert msgspec.json.decode(word.body)["decision"] == "publish"
    row = await gateway.store.pool.fetchrow("SELECT topic_offset, content_hash FROM gateway.signals")
    assert row["topic_offset"] == 0  # known since its own record came
    assert len(row["content_hash"]) == 32


async def test_only_what_changes_something_is_told(gateway, make):
    signal = make.signal()
    await gateway.fold(signal, make.verdict(signal, decided=10), make.verdict(signal, decided=9))
    await gateway.fold(make.verdict(signal, decided=11))
    assert [msgspec.json.decode(s.body)["decided_ns"] for s in await told(gateway, "verdicts")] == [10, 11]
    await gateway.fold(make.delivery(DeliveryState.SENDING, at=1), make.delivery(DeliveryState.DELIVERED, at=2))
    await gateway.fold(make.delivery(DeliveryState.SENDING, at=1))
    states = [msgspec.json.decode(s.body)["state"] for s in await told(gateway, "deliveries")]
    assert states == ["sending", "delivered"]
    await gateway.fold(outcome(signal, resolved=5), outcome(signal, resolved=4), outcome(signal, resolved=6))
    assert len(await told(gateway, "outcomes")) == 2


async def test_an_alert_of_somebodys_recipient_is_theirs_alone(gateway, make):
    await gateway.store.pool.execute(
        "INSERT INTO gateway.recipients (channel, recipient, owner, created_ns, approved_ns) "
        "VALUES ('telegram', '123456789', 'local', 1, 1)"
    )
    await gateway.fold(make.delivery())
    (said,) = await told(gateway, "deliveries")
    assert said.owner == "local"
    assert await gateway.store.feed.newest("deliveries", 9, reader="somebody", limit=5) == []
    assert await gateway.store.feed.newest("deliveries", 9, reader="local", limit=5) == [said]
    assert await gateway.store.feed.newest("deliveries", 9, reader=feed.EVERYONE, limit=5) == [said]
    assert b"123456789" not in said.body


async def test_two_replicas_that_write_at_once_leave_no_hole_and_no_double(gateway, gateway_dsn, make):
    other = Store(gateway_dsn)
    await other.start()
    one, two = gateway.signals, SignalFold(other, gateway.latest, gateway.clock)

    async def write(fold, numbers):
        from libs.common.bus.consuming import Record

        for n in numbers:
            symbol = ("BTC-USDT-PERP", "ETH-USDT")[n % 2]
            signal = make.signal(n, symbol=symbol)
            events = [signal, make.verdict(signal)] if n % 3 else [make.verdict(signal), signal]
            await fold([Record("t", 0, n, b"", event) for event in events])

    try:
        await asyncio.gather(write(one, range(40)), write(two, reversed(range(40))))
    finally:
        await other.stop()
    for channel in ("signals", "verdicts"):
        items = await told(gateway, channel)
        assert [item.position for item in items] == list(range(1, 41))
        for symbol in ("BTC-USDT-PERP", "ETH-USDT"):
            assert [item.seq for item in items if item.symbol == symbol] == list(range(1, 21))
        assert len({msgspec.json.decode(item.body)["signal_id"] for item in items}) == 40


async def test_what_is_rolled_back_was_never_told(gateway):
    item = Item(venue="okx", symbol="BTC-USDT-PERP", body=b"{}")
    pool = gateway.store.pool

    async def fail():
        async with pool.acquire() as connection, connection.transaction():
            await feed.append(connection, {"signals": [item, item]}, 1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with pool.acquire() as connection, connection.transaction():
        (said,) = await feed.append(connection, {"signals": [item], "verdicts": []}, 2)
    assert (said.position, said.seq) == (1, 1)
    assert await told(gateway) == [said]


async def test_what_is_old_or_far_behind_is_forgotten_and_said_to_be(gateway):
    items = [Item(venue="okx", symbol="BTC-USDT-PERP", body=b"{}")] * 10
    async with gateway.store.pool.acquire() as connection, connection.transaction():
        await feed.append(connection, {"signals": items}, 100)
        await feed.append(connection, {"signals": items}, 200)
    await gateway.store.feed.prune(250, keep_ns=100, keep_items=1000)
    assert (await gateway.store.feed.stands())["signals"] == feed.Stand(20, 10)
    await gateway.store.feed.prune(250, keep_ns=100, keep_items=3)
    assert (await gateway.store.feed.stands())["signals"] == feed.Stand(20, 17)
    assert [item.position for item in await told(gateway)] == [18, 19, 20]
    assert await gateway.store.feed.at_ns("signals", 18) == 200
    assert await gateway.store.feed.at_ns("signals", 17) is None
