"""The table of topics: names, partitions, keys; a row without a reader's needs fails here."""

import re
from typing import get_args

import pytest

from libs.common.bus import topics
from libs.common.bus.codec import CodecError, decode, decode_lines, encode
from libs.common.events import (
    AlertRule,
    Candle,
    Event,
    LayerReading,
    MarketEvent,
    Reject,
    Side,
    Timeframe,
    Trade,
)

TRADE = Trade(
    venue="okx", symbol="BTC-USDT", event_ns=1, received_ns=2, price=60_000.1, size=0.5, side=Side.SELL, trade_id="7"
)
CANDLE = Candle(
    venue="okx",
    symbol="BTC-USDT",
    event_ns=9,
    received_ns=9,
    timeframe=Timeframe.M1,
    open_ns=0,
    open=1.0,
    high=2.0,
    low=0.5,
    close=1.5,
    volume=3.0,
)


def test_names_follow_one_form_and_are_unique():
    names = [topic.name for topic in topics.TOPICS]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"(market|signals|alerts|gateway|ingest)\.[a-z-]+\.v[1-9]", name) for name in names)


def test_all_market_topics_have_one_partition_count():
    assert {topic.partitions for topic in topics.MARKET} == {topics.MARKET_PARTITIONS}


def test_every_market_event_has_exactly_one_topic():
    for kind in get_args(MarketEvent):
        assert sum(kind in topic.carries for topic in topics.TOPICS) == 1, kind


def test_retention_and_policy_are_in_kafkas_own_words():
    assert topics.TRADES.config == {"cleanup.policy": "delete", "retention.ms": "86400000"}
    assert topics.CANDLES.config == {"cleanup.policy": "compact,delete", "retention.ms": "2592000000"}
    assert topics.OUTCOMES.config == {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
    }
    assert topics.STATE.config["max.message.bytes"] == "8388608"


def test_the_key_of_a_market_event_is_its_symbol_and_compacted_keys_begin_with_it():
    assert topics.key_of(TRADE) == b"BTC-USDT"
    reading = LayerReading(venue="okx", symbol="BTC-USDT", layer="cvd", as_of_ns=1, score=0.0, confidence=0.0)
    for event in (CANDLE, reading):
        assert topics.partition_key(topics.key_of(event)) == b"BTC-USDT"
    assert topics.key_of(CANDLE) == b"BTC-USDT|okx|1m|0|trades"
    assert topics.key_of(AlertRule(rule_id="r1", recipient="5")) == b"r1"


def test_the_topic_of_an_event_carries_its_type():
    assert topics.topic_of(TRADE) is topics.TRADES
    assert topics.topic_of(CANDLE) is topics.CANDLES


def test_the_wire_form_of_a_trade_is_one_flat_tagged_object():
    assert encode(TRADE) == (
        b'{"type":"trade","venue":"okx","symbol":"BTC-USDT","event_ns":1,"received_ns":2,'
        b'"price":60000.1,"size":0.5,"side":"sell","trade_id":"7"}'
    )


def test_what_is_encoded_is_decoded_equal():
    reject = Reject(reason="decode", detail="no JSON", origin_of="x/0/1", at_ns=3, payload="{")
    events: list[Event] = [TRADE, CANDLE, reject]
    assert [decode(encode(event)) for event in events] == events


def test_a_newer_writers_field_is_ignored_and_a_wrong_type_is_not():
    assert decode(encode(TRADE)[:-1] + b',"later":1}') == TRADE
    with pytest.raises(CodecError, match=r"price"):
        decode(encode(TRADE).replace(b"60000.1", b'"x"'))
    with pytest.raises(CodecError, match="tread"):
        decode(encode(TRADE).replace(b'"trade"', b'"tread"'))
    with pytest.raises(CodecError):
        decode(b"\xff\xfe")


def test_lines_are_counted_from_one_and_empty_ones_pass():
    assert list(decode_lines([encode(TRADE) + b"\n", b"\n"])) == [TRADE]
    with pytest.raises(CodecError, match=r"^line 2: "):
        list(decode_lines([encode(TRADE), b"{"]))
