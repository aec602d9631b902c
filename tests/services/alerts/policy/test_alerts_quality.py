"""A venue's grade in a few words, or that nobody knows."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Origin
from services.alerts.policy.quality import Feed, badge

S = 1_000_000_000
NOON = 1_763_726_400 * S


def feed(at_ns: int = NOON, **facts: Any) -> Feed:
    return Feed(at_ns=at_ns, origin=Origin.LIVE, facts=facts)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"grade": "a"}, "A"),
        ({"grade": "b", "open_gaps": 3.0}, "B"),  # good enough to need no reason
        ({"grade": "c", "open_gaps": 3.0}, "C: 3 holes are open"),
        ({"grade": "c"}, "C"),  # what made it so is in no fact
        (
            {"grade": "f", "connections_missing": 2.0, "staleness_max_s": 960.4, "coverage_min": 0.4, "open_gaps": 1.0},
            "F: 2 connections are down, nothing heard for 960 s",
        ),
        ({"grade": "d", "coverage_min": 0.934, "clock_offset_s": -6.25}, "D: 93.4 % heard, its clock is 6.2 s off"),
        ({"grade": "c", "staleness_max_s": 120.0, "coverage_min": 0.99, "clock_offset_s": 1.0}, "C"),
        ({"grade": "a", "feed_stopped": True}, None),
        ({"grade": "z"}, None),
        ({}, None),
    ],
)
def test_the_grade_and_its_reason(facts, words):
    assert badge(feed(**facts), Origin.LIVE, NOON) == words


def test_what_is_old_or_of_another_market_says_nothing():
    assert badge(feed(grade="a"), Origin.LIVE, NOON + 300 * S) == "A"
    assert badge(feed(grade="a"), Origin.LIVE, NOON + 300 * S + 1) is None
    assert badge(feed(grade="a"), Origin.RECORDED, NOON) is None
    assert badge(None, Origin.LIVE, NOON) is None


values = st.floats() | st.text() | st.booleans()
names = st.sampled_from(
    ["grade", "feed_stopped", "connections_missing", "staleness_max_s", "coverage_min", "clock_offset_s", "open_gaps"]
)


@given(st.dictionaries(names, values) | st.dictionaries(names, values).map(lambda one: one | {"grade": "f"}))
def test_any_facts_give_few_words_or_none(facts):
    words = badge(feed(**facts), Origin.LIVE, NOON)
    assert words is None or 0 < len(words) < 100
