"""The catalogue of vendors' numbers: words, not sentences made twice, and a symbol that no market can have."""

import re

import pytest

from libs.common.bus import topics
from libs.common.bus.codec import decode, encode
from libs.common.events import Metric
from libs.common.events.catalogue import MARKET_WIDE, METRICS, Unit
from libs.common.events.symbols import SymbolError, parse


def test_every_metric_has_a_name_in_one_form_a_unit_and_a_meaning():
    for name, definition in METRICS.items():
        assert re.fullmatch(r"[a-z0-9_]+", name)
        assert isinstance(definition.unit, Unit)
        assert len(definition.meaning) > 10


def test_the_symbol_of_the_whole_market_is_nobodys():
    with pytest.raises(SymbolError):
        parse(MARKET_WIDE)


def test_a_number_and_its_absence_survive_the_wire_and_go_to_their_topic():
    known = Metric(
        venue="alternative", symbol="*", event_ns=1, received_ns=2, name="fear_greed", unit="points", value=54.0
    )
    absent = Metric(
        venue="coinglass",
        symbol="BTC-USDT-PERP",
        event_ns=2,
        received_ns=2,
        name="etf_flow",
        unit="usd",
        value=None,
        cause="no key",
    )
    assert [decode(encode(one)) for one in (known, absent)] == [known, absent]
    assert topics.topic_of(known).name == "market.metrics.v1"
    assert (topics.key_of(known), topics.key_of(absent)) == (b"*", b"BTC-USDT-PERP")
    assert topics.METRICS.config["retention.ms"] == str(7 * 86_400_000)
