"""Funding and open interest: ranks against numpy and scipy's definition, units by hand, absence where there is none."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.conditions.subjects import Kind
from libs.common.events import MINUTE_NS
from services.alerts.policy.watching import Watching
from services.alerts.policy.windows.ranks import FEWEST, MOST, SLOT_NS, Ranks
from tests.services.alerts.policy.windows.market_events import BTC, funding, interest, ns

HOUR = 3_600


def test_funding_in_basis_points_of_eight_hours():
    for interval_s, bps in ((28_800, 10.0), (14_400, 20.0), (3_600, 80.0)):
        (subject,) = Watching().take(funding(0, 0.001, interval_s))
        assert (subject.kind, subject.key) == (Kind.FUNDING, f"funding|okx|{BTC}")
        assert subject.facts["funding_rate"] == 0.001
        assert subject.facts["funding_bps_8h"] == pytest.approx(bps)


@pytest.mark.parametrize("interval_s", [None, 0, -1])
def test_without_an_interval_there_are_no_basis_points(interval_s):
    (subject,) = Watching().take(funding(0, 0.001, interval_s))
    assert subject.facts == {"venue": "okx", "symbol": BTC, "funding_rate": 0.001}


def test_a_rate_is_told_when_it_changes_and_every_minute():
    watching = Watching()
    at = [0, 1, 2, 2.5, 3, 62, 63, 63.2, 64]
    rates = [1, 1, 2, 3, 3, 3, 3, 4, 4]
    told = [at_s for at_s, rate in zip(at, rates, strict=True) if watching.take(funding(at_s, rate * 1e-4))]
    # 2.5 is of the second that was told; 62 is a change since 2 no more, but a minute after 3
    assert told == [0, 2, 3, 63, 64]


def test_there_is_no_rank_before_a_day_of_samples():
    watching, ranks = Watching(), {}
    for slot in range(FEWEST + 2):
        for subject in watching.take(funding(300 * slot, slot * 1e-6)):
            ranks[slot] = subject.facts.get("funding_rank")
    assert ranks[FEWEST - 1] is None
    assert ranks[FEWEST] == 1.0  # above 288 samples before it
    assert len(ranks) == FEWEST + 2


def test_the_rank_counts_equal_ones_half():
    watching = Watching()
    for slot in range(300):
        watching.take(funding(300 * slot, 1e-4))
    (equal,) = watching.take(funding(300 * 300, 1e-4))
    (above,) = watching.take(funding(300 * 300 + 60, 2e-4))
    (below,) = watching.take(funding(300 * 300 + 120, -2e-4))
    assert [one.facts["funding_rank"] for one in (equal, above, below)] == [0.5, 1.0, 0.0]


def test_a_venue_that_begins_to_say_its_interval_starts_anew():
    watching = Watching()
    for slot in range(300):
        watching.take(funding(300 * slot, slot * 1e-6, None))
    (subject,) = watching.take(funding(300 * 300, 1.0, None))
    assert subject.facts["funding_rank"] == 1.0
    (subject,) = watching.take(funding(300 * 301, 1.0, 28_800))
    assert "funding_rank" not in subject.facts
    assert watching.tally.restarted == 1


def test_an_interval_that_a_venue_does_not_say_is_the_time_between_its_settlements():
    watching = Watching()

    def bps(at_s, next_s):
        (subject,) = watching.take(funding(at_s, 0.001, None, next_s))
        return subject.facts.get("funding_bps_8h")

    assert bps(0, 4 * HOUR) is None
    assert bps(4 * HOUR - 5, 4 * HOUR) is None
    assert bps(4 * HOUR + 599, 8 * HOUR) == pytest.approx(20.0)
    assert bps(5 * HOUR, 8 * HOUR) == pytest.approx(20.0)
    assert bps(8 * HOUR, 16 * HOUR) == pytest.approx(10.0)  # it settles less often now
    assert bps(16 * HOUR + 600, 24 * HOUR) is None  # too late to know that none is missing
    assert bps(24 * HOUR - 1, 40 * HOUR) is None  # nor is this a settlement that has passed


def test_late_and_damaged_rates_change_nothing():
    watching = Watching()
    watching.take(funding(100, 1e-4))
    assert watching.take(funding(40, 9e-4)) == []
    assert watching.take(funding(200, float("nan"))) == []
    assert (watching.tally.late, watching.tally.damaged) == (1, 1)
    found = watching.markets["okx"][BTC].funding
    assert found is not None
    assert found.ranks.value == 1e-4


def test_the_change_of_an_hour_is_absent_until_there_was_one():
    watching, told = Watching(), {}
    for number in range(75):
        for subject in watching.take(interest(60 * number, base=1_000.0 + number)):
            told[number] = subject.facts["oi_change_1h"]
    # T0 is the last minute of its slot, so samples are of the minutes 0, 5, 10, ...
    assert min(told) == 60
    assert told[60] == pytest.approx(1_060 / 1_000 - 1)
    assert told[64] == pytest.approx(1_064 / 1_000 - 1)
    assert told[65] == pytest.approx(1_065 / 1_005 - 1)


def test_a_silence_leaves_the_change_absent():
    watching = Watching()
    watching.take(interest(0, base=1_000.0))
    assert watching.take(interest(2 * HOUR, base=2_000.0)) == []
    assert watching.take(interest(3 * HOUR + 601, base=2_000.0)) == []


def test_open_interest_counts_coins_before_money_and_starts_anew_when_the_measure_changes():
    watching = Watching()
    for number in range(62):
        watching.take(interest(60 * number, base=100.0, contracts=5.0, notional=1e6 * (number + 1)))
    told = watching.take(interest(60 * 70, base=110.0, contracts=5.0, notional=1.0))
    assert told[0].facts["oi_change_1h"] == pytest.approx(0.10)
    assert watching.take(interest(60 * 71, contracts=6.0)) == []
    assert watching.tally.restarted == 1
    assert watching.take(interest(60 * 72)) == []
    assert watching.tally.damaged == 1


@given(st.lists(st.tuples(st.integers(1, 3_000), st.integers(-3, 3)), max_size=700))
@settings(max_examples=30)
def test_ranks_are_bounded_and_those_of_numpy(steps):
    ranks, at_ns, slots = Ranks(), 0, {}
    for step_s, value in steps:
        at_ns += step_s * 1_000_000_000
        ranks.add(at_ns, float(value))
        slots[at_ns // SLOT_NS] = (at_ns, float(value))
    running = at_ns // SLOT_NS
    # a sample goes when a slot begins later than seven days after it; that is looked at when samples are added
    samples = [value for slot, (_, value) in slots.items() if slot != running]
    assert len(ranks.ordered) == len(ranks.values) == len(ranks.times) <= MOST
    assert ranks.ordered == sorted(ranks.values)
    if at_ns < 7 * 24 * HOUR * 1_000_000_000:
        assert ranks.values == samples
        if len(samples) >= FEWEST:
            known = np.array(samples)
            expected = ((known < ranks.value).sum() + (known <= ranks.value).sum()) / 2 / len(known)
            assert ranks.rank() == pytest.approx(expected)
        else:
            assert ranks.rank() is None


def test_samples_go_after_seven_days():
    ranks = Ranks()
    for slot in range(3 * MOST):
        ranks.add(slot * SLOT_NS, float(slot % 7))
        assert len(ranks.values) <= MOST
    assert ranks.times[0] == 2 * MOST * SLOT_NS  # less than seven days before the newest
    ranks.add(10 * MOST * SLOT_NS, 1.0)
    assert ranks.ordered == []


@pytest.mark.recordings
def test_a_recorded_series_against_polars(recordings):
    """A month of minutes of a real series (closes of BTC, standing in for open interest) against polars."""
    closes = pl.read_csv(recordings / "ohlcv/bybit_linear_2025/BTCUSDT_1m.csv.gz")
    at = closes["timestamp"].str.to_datetime("%Y-%m-%d %H:%M:%S%z").dt.epoch("ns")
    series = pl.DataFrame({"at": at, "value": closes["close"]}).with_columns(slot=pl.col("at") // SLOT_NS)
    last = series.group_by("slot", maintain_order=True).agg(pl.col("at").last(), pl.col("value").last())
    times, values = last["at"].to_numpy(), last["value"].to_numpy()
    watching, checked = Watching(), 0
    zero = ns(0)
    for number, (at_ns, value, slot) in enumerate(series.iter_rows()):
        subjects = watching.take(interest((at_ns - zero) / 1e9, base=value))
        if number % 97 or number < 1_500:
            continue
        begin = at_ns // SLOT_NS * SLOT_NS
        first = series.filter(pl.col("slot") == slot)["at"][0]
        inside = (times < begin) & (times > first - MOST * SLOT_NS)
        known = values[inside]
        below, up_to = (known < value).sum(), (known <= value).sum()
        hour_ago = values[(times < begin) & (times <= at_ns - 60 * MINUTE_NS)][-1]
        facts = subjects[0].facts
        assert facts["oi_rank"] == pytest.approx((below + up_to) / 2 / len(known))
        assert facts["oi_change_1h"] == pytest.approx(value / hour_ago - 1)
        checked += 1
    assert checked > 400
