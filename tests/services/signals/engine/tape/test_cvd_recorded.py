"""The takers' balance of recorded sessions equals sums that polars makes of the raw frames, past our parsers."""

import gzip
import json
from itertools import pairwise

import polars as pl
import pytest

from deploy.proving.causality import SESSIONS
from libs.common.events import MINUTE_NS, LayerReading, Trade
from services.ingest.recording.normalize import Normalizer
from services.signals.engine.config import EngineConfig
from services.signals.engine.engine import Engine
from services.signals.engine.layers.cvd import Cvd


def raw(folder, names):
    """Return time, base size and taker's sign of every trade frame, by the exchange's own words."""
    rows = []
    for name in names:
        with gzip.open(folder / name) as lines:
            for line in lines:
                if b"@trade" not in line:
                    continue
                data = json.loads(line.split(b" ", 1)[1])["data"]
                if data.get("X", "MARKET") == "MARKET":
                    rows.append((data["T"] * 10**6, float(data["q"]), float(data["p"]), -1 if data["m"] else 1))
    return pl.DataFrame(rows, schema=["at_ns", "size", "price", "sign"], orient="row")


@pytest.fixture(scope="module", params=list(SESSIONS))
def session(request, recordings):
    names = SESSIONS[request.param]
    events = list(Normalizer(request.param, [recordings / "raw" / name for name in names]).run())
    return raw(recordings / "raw", names), events


def test_each_minutes_delta_and_its_extremes_are_the_raw_ones(session):
    table, events = session
    cumulative = (pl.col("size") * pl.col("sign")).cum_sum()
    minutes = (
        table.with_columns(minute=pl.col("at_ns") // MINUTE_NS)
        .group_by("minute", maintain_order=True)
        .agg(
            delta=(pl.col("size") * pl.col("sign")).sum(),
            low=cumulative.min(),
            high=cumulative.max(),
            volume=pl.col("size").sum(),
        )
    )
    wanted = {row["minute"]: row for row in minutes.iter_rows(named=True)}
    engine, compared = Engine(EngineConfig()), 0
    for event in events:
        for output in engine.apply(event):
            if not isinstance(output, LayerReading) or (output.layer, output.timeframe) != ("cvd", "1m"):
                continue
            if output.facts.get("bar_delta_base") is None:
                continue
            row = wanted[output.as_of_ns // MINUTE_NS - 1]
            assert output.facts["bar_delta_base"] == pytest.approx(row["delta"], abs=1e-9)
            assert output.facts["bar_delta_low_base"] == pytest.approx(min(0.0, row["low"]), abs=1e-9)
            assert output.facts["bar_delta_high_base"] == pytest.approx(max(0.0, row["high"]), abs=1e-9)
            assert output.facts["bar_delta_share"] == pytest.approx(row["delta"] / row["volume"], abs=1e-9)
            compared += 1
    assert compared >= 4


def test_session_and_rolling_sums_are_the_raw_ones(session):
    table, events = session
    cvd = Cvd.new(EngineConfig())
    trades = [event for event in events if isinstance(event, Trade)]
    assert len(trades) == table.height
    for n, trade in enumerate(trades):
        cvd.on_trade(trade)
        if n % 997 and n != len(trades) - 1:
            continue
        facts = cvd.read(trade.event_ns).facts
        seen = table[: n + 1]
        day = seen.filter(pl.col("at_ns") >= trade.event_ns - trade.event_ns % (86_400 * 10**9))
        assert facts["session_cvd_base"] == pytest.approx((day["size"] * day["sign"]).sum(), abs=1e-9)
        quote = (day["size"] * day["price"] * day["sign"]).sum()
        assert facts["session_cvd_quote"] == pytest.approx(quote, rel=1e-9)
        from_ns = trade.event_ns - 300 * 10**9
        rolling = seen.filter(pl.col("at_ns") // 10**9 * 10**9 > from_ns)
        assert facts["rolling_delta_base"] == pytest.approx((rolling["size"] * rolling["sign"]).sum(), abs=1e-9)
        assert facts["rolling_volume_base"] == pytest.approx(rolling["size"].sum(), abs=1e-9)


def test_the_order_of_equal_times_is_kept_and_nothing_is_estimated(session):
    table, events = session
    times = [event.event_ns for event in events if isinstance(event, Trade)]
    assert sum(later < earlier for earlier, later in pairwise(times)) == 0
    assert {event.side.sign for event in events if isinstance(event, Trade)} == {1, -1}
    assert table["sign"].to_list() == [event.side.sign for event in events if isinstance(event, Trade)]
