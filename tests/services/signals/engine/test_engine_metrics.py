"""Numbers of vendors beside a market's events: today they change nothing."""

from libs.common.events import Metric, Side, Trade
from services.signals.engine.engine import Engine


def test_a_metric_makes_no_market_and_changes_none():
    trade = Trade(
        venue="okx",
        symbol="BTC-USDT",
        event_ns=1,
        received_ns=2,
        price=60_000.0,
        size=0.5,
        side=Side.SELL,
        trade_id="7",
    )
    metric = Metric(
        venue="okx", symbol="BTC-USDT", event_ns=10**18, received_ns=3, name="fear_greed", unit="points", value=1.0
    )
    engine = Engine()
    assert engine.apply(metric) == []
    assert engine.dump() == Engine().dump()
    engine.apply(trade)
    before = engine.dump()
    assert engine.apply(metric) == []
    assert engine.dump() == before
