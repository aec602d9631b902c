"""Large trades: whale prints by hand, and a recorded tape recomputed with polars."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.conditions.subjects import Kind
from libs.common.events import SECOND_NS, Origin, Side, Trade
from services.alerts.policy.watching import Watching
from tests.services.alerts.policy.windows.market_events import BTC, BUY, SELL, ns, trade


def whales(watching, event):
    return [subject for subject in watching.take(event) if subject.kind is Kind.WHALE]


def test_a_whale_print_is_a_story_of_its_own():
    (subject,) = whales(Watching(), trade(3, 1_000_000.0, SELL, trade_id="77"))
    assert subject.key == f"whale|okx|{BTC}|77"
    assert (subject.at_ns, subject.origin) == (ns(3), Origin.RECORDED)
    assert subject.facts == {
        "venue": "okx",
        "symbol": BTC,
        "print_usd": 1_000_000.0,
        "print_side": "sell",
        "cap_group": "majors",
    }


@pytest.mark.parametrize(("usd", "told"), [(49_999.99, 0), (50_000.0, 1), (200_000.0, 1), (500_000.0, 1)])
def test_below_fifty_thousand_nothing_is_a_whale(usd, told):
    assert len(whales(Watching(), trade(0, usd))) == told


def test_within_a_second_each_side_is_told_its_records():
    watching = Watching()
    said = [
        whales(watching, trade(at_s, usd, side, trade_id=str(number)))
        for number, (at_s, usd, side) in enumerate(
            [
                (0.1, 60_000.0, BUY),
                (0.2, 60_000.0, BUY),  # no more than what was told
                (0.3, 55_000.0, SELL),  # the other side
                (0.4, 90_000.0, BUY),
                (0.5, 70_000.0, BUY),
                (1.0, 50_000.0, BUY),  # the next second
                (0.6, 95_000.0, BUY),  # late: a record of its own second still
                (0.6, 80_000.0, BUY),
            ]
        )
    ]
    assert [len(one) for one in said] == [1, 0, 1, 1, 0, 1, 1, 0]


def test_a_trade_that_is_said_twice_or_late_counts_once_or_not_at_all():
    watching = Watching()
    assert whales(watching, trade(40, 60_000.0, trade_id="1"))
    assert watching.take(trade(40, 60_000.0, trade_id="1")) == []
    assert watching.take(trade(10, 80_000.0, trade_id="2")) == []
    assert (watching.tally.repeated, watching.tally.late) == (1, 1)
    (subject,) = [one for one in watching.take(trade(41, 10_000.0, trade_id="3")) if one.kind is Kind.LIQUIDATION]
    assert subject.facts["prints_usd_30s"] == 70_000.0


def test_an_absurd_trade_is_none():
    watching = Watching()
    assert watching.take(trade(0, 1e300)) == []
    assert watching.tally.damaged == 1


def test_trades_below_ten_thousand_are_not_looked_at():
    watching = Watching()
    for number in range(2_000):
        assert watching.take(trade(number / 100, 9_999.99, trade_id=str(number))) == []
    assert watching.markets["okx"][BTC].burst.prints.window.rows == []


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from([10, 49, 50, 80, 200]), st.booleans()), max_size=60))
def test_no_threshold_on_a_print_is_missed(rows):
    """What a rule over all prints would have seen in a second, it sees: the records of each second and side."""
    told: dict[Any, Any] = {}
    real: dict[Any, Any] = {}
    watching, newest = Watching(), -1
    for number, (at_s, thousands, bought) in enumerate(rows):
        event = trade(at_s + number / 1_000, thousands * 1_000.0, BUY if bought else SELL, trade_id=str(number))
        second, side = event.event_ns // SECOND_NS, event.side
        if thousands >= 50 and event.event_ns > newest - 30 * SECOND_NS:
            real[second, side] = max(real.get((second, side), 0.0), event.size)
        if event.event_ns > newest - 30 * SECOND_NS:
            newest = max(newest, event.event_ns)
        for subject in whales(watching, event):
            told[second, side] = max(told.get((second, side), 0.0), subject.facts["print_usd"])
    assert told == real
    prints = watching.markets["okx"][BTC].burst.prints if rows else None
    assert prints is None or len(prints.records) <= 32


@pytest.mark.recordings
def test_recorded_trades_against_polars(recordings):
    """9,999 trades of Binance USD-M of 2020-02-22: sums of 30 s at each trade of 10,000 dollars and more."""
    name = "trades/tardis_binance-futures_BTCUSDT_trades_2020-02-22.csv.gz"
    tape = pl.read_csv(recordings / name).with_columns(usd=pl.col("price") * pl.col("amount"))
    large = (
        tape.filter(pl.col("usd") >= 10_000)
        .with_columns(
            at=pl.col("timestamp") * 1_000,
            buy=pl.when(pl.col("side") == "buy").then("usd").otherwise(0.0),
            sell=pl.when(pl.col("side") == "sell").then("usd").otherwise(0.0),
        )
        .sort("timestamp", "id")
    )
    watching, told, whale_prints = Watching(), [], []
    for row in tape.iter_rows(named=True):
        event = Trade(
            venue="binance-usdm",
            symbol=BTC,
            event_ns=row["timestamp"] * 1_000,
            received_ns=0,
            origin=Origin.RECORDED,
            price=row["price"],
            size=row["amount"],
            side=Side(row["side"]),
            trade_id=str(row["id"]),
        )
        subjects = watching.take(event)
        told += [(row["id"], one) for one in subjects if one.kind is Kind.LIQUIDATION]
        whale_prints += [one for one in subjects if one.kind is Kind.WHALE]
    assert len(told) > 300
    ids = large["id"].to_list()
    for trade_id, subject in told:
        seen = (
            large.head(sum(one <= trade_id for one in ids))
            if trade_id in ids
            else large.filter(pl.col("id") < trade_id)
        )
        inside = seen.filter(pl.col("at") > subject.at_ns - 30 * SECOND_NS)
        assert subject.facts["prints_usd_30s"] == pytest.approx(inside["usd"].sum(), abs=1e-3)
        assert subject.facts["prints_buy_usd_30s"] == pytest.approx(inside["buy"].sum(), abs=1e-3)
        assert subject.facts["prints_sell_usd_30s"] == pytest.approx(inside["sell"].sum(), abs=1e-3)
        assert subject.facts["prints_count_30s"] == inside.height
        total = float(inside["usd"].sum())
        if total:
            lean = max(float(inside["buy"].sum()), float(inside["sell"].sum())) / total
            assert subject.facts["prints_dominance_30s"] == pytest.approx(lean)
            is_cluster = total >= 3_000_000 and lean >= 0.7 and inside.height >= 3
            assert subject.facts["cluster"] is is_cluster
    best = (
        large.filter(pl.col("usd") >= 50_000)
        .with_columns(second=pl.col("at") // SECOND_NS)
        .group_by("second", "side")
        .agg(pl.col("usd").max())
    )
    records: dict[Any, Any] = {}
    for subject in whale_prints:
        key = (subject.at_ns // SECOND_NS, subject.facts["print_side"])
        records[key] = max(records.get(key, 0.0), subject.facts["print_usd"])
    assert records == {
        (row["second"], row["side"]): pytest.approx(row["usd"], abs=1e-6) for row in best.iter_rows(named=True)
    }
    assert len(records) > 10
