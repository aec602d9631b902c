"""How long a topic may be quiet: its quantiles against numpy's, and what bursts, pauses and stalls do to the limit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.sockets.rhythm import ENOUGH, Rhythm

EDGE = 2 ** (1 / 8)
"""Two neighbouring edges of the histogram are so far apart."""


def told(gaps: list[float]) -> Rhythm:
    rhythm, at_s = Rhythm(), 0.0
    for gap in gaps:
        at_s += gap
        rhythm.heard(gap, at_s)
    return rhythm


@given(st.lists(st.floats(0.6, 500), min_size=1, max_size=300), st.floats(0.01, 1))
def test_a_quantile_is_the_true_one_rounded_up_to_an_edge(gaps: list[float], share: float) -> None:
    true = float(np.quantile(gaps, share, method="inverted_cdf"))
    assert true * (1 - 1e-9) <= told(gaps).quantile(share) <= true * EDGE * (1 + 1e-9)


def test_nothing_is_judged_before_enough_was_heard() -> None:
    assert told([0.6] * (ENOUGH - 1)).limit_s is None
    assert told([0.6] * ENOUGH).limit_s is not None


@pytest.mark.parametrize(
    ("gap_s", "least_s", "most_s"),
    [
        (0.01, 2, 2),  # three times a hundredth is below what any network may do
        (0.6, 2, 2),
        (0.9, 2.7, 2.7 * EDGE),
        (5, 15, 15 * EDGE),
        (50, 150, 150 * EDGE),
    ],
)
def test_the_limit_is_three_times_the_rarest_gap_in_a_hundred(gap_s: float, least_s: float, most_s: float) -> None:
    limit_s = told([gap_s] * 5_000).limit_s
    assert limit_s is not None
    assert least_s <= limit_s <= most_s


def test_a_topic_whose_gaps_are_minutes_says_nothing_by_silence() -> None:
    assert told([90.0] * 200).limit_s is None


def test_a_busy_topic_with_long_pauses_is_not_waited_for_longer_than_30_s() -> None:
    assert told(([0.7] * 40 + [20.0]) * 20).limit_s == 30


def test_a_burst_does_not_make_the_pauses_between_bursts_rare() -> None:
    """A thin market: 500 trades within 2 s, then 40 s of nothing: no pause of 40 s is a stall."""
    limit_s = told(([0.004] * 500 + [40.0]) * 20).limit_s
    assert limit_s is not None
    assert limit_s >= 120


def test_a_rhythm_follows_the_hour_of_the_day() -> None:
    rhythm, at_s = Rhythm(), 0.0
    for gap in [0.6] * 5_000 + [9.0] * 100:
        at_s += gap
        rhythm.heard(gap, at_s)
    assert rhythm.limit_s == pytest.approx(27, rel=EDGE - 1)
    for _ in range(20_000):
        at_s += 0.6
        rhythm.heard(0.6, at_s)
    assert rhythm.limit_s == 2


def test_a_stall_teaches_patience_and_is_forgotten() -> None:
    rhythm = told([0.6] * 3_000)
    limits = []
    for _ in range(5):
        limits.append(rhythm.limit_s)
        if limits[-1] is not None:
            rhythm.taught(limits[-1])
    assert limits[0] == 2
    assert limits[1] == pytest.approx(6, rel=EDGE - 1)
    assert limits[2] == pytest.approx(18, rel=2 * (EDGE - 1))
    assert limits[3] == 30
    at_s = 0.0
    for _ in range(20_000):
        at_s += 0.6
        rhythm.heard(0.6, at_s)
    assert rhythm.limit_s == 2
