"""From the buffer to a broker that may be down, refuse, or come back."""

import asyncio

import msgspec
from aiokafka.errors import MessageSizeTooLargeError

from libs.common.events import Trade
from libs.common.runtime.backoff import Backoff
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.publisher import Draining
from services.ingest.delivery.rejects import Parking
from services.ingest.venues.terms import Rejected

QUICK = Backoff(initial_s=0.001, cap_s=0.002)


async def test_everything_is_published_in_order_and_positions_follow(tiny) -> None:
    buffer, broker = Buffer(50), tiny.Broker()
    draining = asyncio.create_task(Draining("tiny", buffer, broker).run())
    for number in range(1, 1001):
        await buffer.put(tiny.trade(number))
    buffer.close()
    await asyncio.wait_for(draining, 5)
    assert broker.trade_ids == list(range(1, 1001))
    key, value = broker.positions[-1]
    assert key == b"tiny|BTC-USDT"
    assert msgspec.json.decode(value) == {"trade_id": "1000", "event_ns": 1_000_000_000}


async def test_positions_are_written_once_a_second_and_at_the_end(tiny) -> None:
    buffer, broker = Buffer(), tiny.Broker()
    now = 0.0
    draining = asyncio.create_task(Draining("tiny", buffer, broker, clock=lambda: now).run())
    for number in range(1, 6):
        await buffer.put(tiny.trade(number))
        await tiny.until(lambda number=number: len(broker.events) == number)
    assert len(broker.positions) == 1
    now = 1.5
    await buffer.put(tiny.trade(6))
    await tiny.until(lambda: len(broker.positions) == 2)
    await buffer.put(tiny.trade(7))
    buffer.close()
    await asyncio.wait_for(draining, 5)
    assert [msgspec.json.decode(value)["trade_id"] for _, value in broker.positions] == ["1", "6", "7"]


async def test_broker_that_is_down_makes_the_readers_wait_and_loses_nothing(tiny) -> None:
    buffer, broker = Buffer(10), tiny.Broker()
    broker.down = True
    draining = Draining("tiny", buffer, broker, backoff=QUICK)
    running = asyncio.create_task(draining.run())

    async def read() -> None:
        for number in range(1, 101):
            await buffer.put(tiny.trade(number))

    reader = asyncio.create_task(read())
    await tiny.until(lambda: broker.refused > 5)
    assert draining.down_since is not None
    assert not reader.done()
    assert buffer.pending == 10
    assert buffer.counts["trades"].waited > 0
    broker.down = False
    await asyncio.wait_for(reader, 5)
    buffer.close()
    await asyncio.wait_for(running, 5)
    assert broker.trade_ids == list(range(1, 101))
    assert draining.down_since is None


async def test_event_that_no_broker_takes_is_parked_and_the_others_go_on(tiny) -> None:
    buffer, broker = Buffer(), tiny.Broker()
    broker.cause = MessageSizeTooLargeError()
    broker.poison = lambda event: isinstance(event, Trade) and event.trade_id == "3"
    for number in range(1, 6):
        await buffer.put(tiny.trade(number))
    buffer.close()
    await asyncio.wait_for(Draining("tiny", buffer, broker).run(), 5)
    assert broker.trade_ids == [1, 2, 4, 5]
    (reject,) = broker.rejects
    assert reject.reason == "too_large"
    assert '"trade_id":"3"' in reject.payload


async def test_position_that_cannot_be_written_stops_nothing(tiny) -> None:
    buffer, broker = Buffer(), tiny.Broker()
    broker.forgetful = True
    await buffer.put(tiny.trade(1))
    buffer.close()
    await asyncio.wait_for(Draining("tiny", buffer, broker).run(), 5)
    assert broker.trade_ids == [1]
    assert broker.positions == []


async def test_rejects_are_parked_up_to_a_rate(tiny) -> None:
    broker = tiny.Broker()
    parking = Parking("tiny", broker, per_second=3)
    running = asyncio.create_task(parking.run())
    for number in range(50):
        parking.park(Rejected(reason="decode", detail=f"{number}", payload=b"\xff\x00{"), "tiny socket")
    await tiny.until(lambda: broker.rejects)
    assert [one.detail for one in broker.rejects] == ["0", "1", "2"]
    assert broker.rejects[0].payload == "\\xff\x00{"
    assert broker.rejects[0].origin_of == "tiny socket"
    broker.down = True
    await tiny.until(lambda: parking._left < 3)
    running.cancel()


async def test_rejects_that_the_broker_does_not_take_are_dropped(tiny) -> None:
    broker = tiny.Broker()
    broker.down = True
    parking = Parking("tiny", broker)
    parking.park(Rejected(reason="decode", detail="", payload=b""), "tiny socket")
    await parking.flush()
    broker.down = False
    await parking.flush()
    assert broker.rejects == []
