"""Where records go: by their key, but what is about all markets to every partition."""

import pytest

from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.codec import decode
from libs.common.bus.publisher import Publisher, partition_of
from libs.common.bus.reading import Reader
from libs.common.events import Metric
from libs.common.events.catalogue import MARKET_WIDE
from libs.common.runtime.errors import DependencyDown


def metric(symbol, value):
    return Metric(
        venue="alternative", symbol=symbol, event_ns=1, received_ns=2, name="fear_greed", unit="index", value=value
    )


async def test_what_is_about_all_markets_stands_in_every_partition_in_its_order(embedded_broker):
    await ensure_topics(embedded_broker, topics.TOPICS)
    publisher = Publisher(embedded_broker, "csx-test")
    await publisher.start()
    said = [metric("BTC-USDT", 1.0), metric(MARKET_WIDE, 2.0), metric("BTC-USDT", 3.0)]
    await publisher.publish(said)
    await publisher.stop()
    home = partition_of(b"BTC-USDT", topics.MARKET_PARTITIONS)
    async with Reader(embedded_broker, "csx-test") as reader:
        for number in range(topics.METRICS.partitions):
            found = [decode(raw.value or b"") async for raw in reader.read_all(topics.METRICS, number)]
            assert found[-3:] == said if number == home else found[-1:] == said[1:2]
            assert [event for event in found if event == said[0]] == (said[:1] if number == home else [])


async def test_without_a_broker_it_says_so():
    publisher = Publisher("127.0.0.1:1", "csx-test")
    with pytest.raises(DependencyDown, match="no Kafka broker answers"):
        await publisher.start()
