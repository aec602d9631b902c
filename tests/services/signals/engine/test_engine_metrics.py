"""Numbers of vendors beside a market's events: they make no market, and a market that comes later knows them."""

import msgspec

from libs.common.events import LayerReading, Metric, Side, Trade
from libs.common.events.catalogue import MARKET_WIDE
from services.signals.engine.engine import Engine
from services.signals.engine.vendors import MOST_METRICS, Vendors

DAY = 86_400 * 10**9
NOW = 20_000 * DAY


def trade(symbol="BTC-USDT", at_ns=NOW):
    return Trade(
        venue="okx",
        symbol=symbol,
        event_ns=at_ns,
        received_ns=at_ns,
        price=60_000.0,
        size=0.5,
        side=Side.SELL,
        trade_id=str(at_ns),
    )


def metric(value=90.0, symbol=MARKET_WIDE, at_ns=NOW - 10, name="fear_greed"):
    return Metric(
        venue="alternative", symbol=symbol, event_ns=at_ns, received_ns=3, name=name, unit="points", value=value
    )


def mood(outputs):
    readings = [one for one in outputs if isinstance(one, LayerReading) and one.layer == "factors"]
    return [one.facts.get("fear_greed_points") for one in readings]


def test_a_metric_makes_no_market():
    engine = Engine()
    assert engine.apply(metric()) == []
    assert engine.closed_ns("alternative", MARKET_WIDE) == -1
    assert engine.counts() == {}


def test_a_number_about_everything_reaches_every_market_and_one_about_a_symbol_that_one():
    engine = Engine()
    engine.apply(trade("BTC-USDT"))
    engine.apply(trade("ETH-USDT"))
    assert mood(engine.apply(metric(90.0))) == [90.0, 90.0]
    assert {one.symbol for one in engine.apply(metric(10.0, "ETH-USDT"))} <= {"ETH-USDT"}


def test_a_market_that_comes_later_knows_the_newest_number():
    engine = Engine()
    engine.apply(metric(90.0, at_ns=NOW - 20))
    engine.apply(metric(15.0, at_ns=NOW - 10))
    engine.apply(metric(99.0, at_ns=NOW - 30))
    engine = Engine.load(engine.dump())
    engine.apply(trade())
    rows = engine.apply(metric(1.0, "BTC-USDT", at_ns=NOW - 5, name="galaxy_score"))
    assert mood(rows) == [15.0]


def test_a_number_of_the_future_waits_for_its_time():
    engine = Engine()
    engine.apply(trade())
    assert mood(engine.apply(metric(90.0, at_ns=NOW + 5))) == [None]
    engine.apply(trade(at_ns=NOW + 2 * 10**9))
    assert mood(engine.apply(metric(50.0, "BTC-USDT", at_ns=NOW, name="galaxy_score"))) == [90.0]


def test_the_memory_is_bounded_and_says_what_it_dropped():
    vendors = Vendors()
    for number in range(MOST_METRICS + 3):
        vendors.add(metric(symbol=f"S{number}-USDT"))
        vendors.add(metric())
    assert (len(vendors.kept), vendors.dropped) == (MOST_METRICS, 4)
    assert [one.symbol for one in vendors.about("S0-USDT")] == [MARKET_WIDE]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(vendors), type=Vendors) == vendors
