"""How late a fold is, in seconds by the broker's own times."""

import asyncio
import time
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from prometheus_client import REGISTRY

from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import encode
from libs.common.bus.kafka import Record, connect, fold
from libs.common.events import Side, Trade
from libs.common.runtime.settings import ServiceSettings

DEADLINE_S = 20.0


def trade(number: int) -> Trade:
    return Trade(
        venue="okx",
        symbol="BTC-USDT",
        event_ns=number,
        received_ns=number,
        price=1.0,
        size=1.0,
        side=Side.BUY,
        trade_id=str(number),
    )


async def test_a_fold_is_as_late_as_what_it_handled_last_while_others_wait(bus_broker):
    await ensure_topics(bus_broker, topics.TOPICS)
    bus = connect(ServiceSettings(kafka_bootstrap=bus_broker), "csx-test")
    got: list[Record] = []
    first, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(records: Sequence[Record]) -> None:
        got.extend(records)
        if len(got) > 1:
            first.set()
            await go_on.wait()
        if len(got) == 3:
            done.set()

    folding = fold(bus, topics.TRADES, group="late", handler=handler, rejects=topics.MARKET_REJECTS, max_records=1)
    old_ms = int(time.time() * 1000) - 100_000
    producer = AIOKafkaProducer(bootstrap_servers=bus_broker)
    await producer.start()
    for number in range(3):
        await producer.send_and_wait(
            topics.TRADES.name, encode(trade(number)), partition=0, timestamp_ms=old_ms + number * 1_000
        )
    await producer.stop()
    await bus.start()
    await asyncio.wait_for(first.wait(), DEADLINE_S)
    assert 99 < await folding.lag_s() < 100 + DEADLINE_S  # one of three is done, and it was 100 s old
    assert (REGISTRY.get_sample_value("csx_bus_lag_seconds", {"group": "late"}) or 0) > 99
    go_on.set()
    await asyncio.wait_for(done.wait(), DEADLINE_S)
    async with asyncio.timeout(DEADLINE_S):
        while await folding.lag_s():  # noqa: ASYNC110  (the broker's answer, not an event)
            await asyncio.sleep(0.01)
    assert [record.timestamp_ms for record in got] == [old_ms, old_ms + 1_000, old_ms + 2_000]
    await bus.stop()
