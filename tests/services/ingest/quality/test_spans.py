"""Stretches of time: merged as a person would, and as brute force over integer seconds says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.quality.spans import Spans

SECONDS = st.integers(0, 60)
STRETCHES = st.lists(st.tuples(SECONDS, SECONDS), max_size=30)


@pytest.mark.parametrize(
    ("stretches", "kept", "covered"),
    [
        ([], 0, 0),
        ([(5, 5), (7, 6)], 0, 0),
        ([(1, 3), (5, 6)], 2, 3),
        ([(1, 3), (3, 6)], 1, 5),  # they touch
        ([(5, 9), (1, 3), (2, 6)], 1, 8),  # a third bridges two
        ([(1, 20), (4, 6)], 1, 19),
        ([(10, 12), (0, 1), (20, 30), (5, 25)], 2, 26),
    ],
)
def test_overlaps_are_counted_once(stretches: list[tuple[int, int]], kept: int, covered: int) -> None:
    spans = Spans()
    for since, until in stretches:
        spans.add(since, until)
    assert len(spans) == kept
    assert spans.within(0, 100) == covered


@given(STRETCHES, SECONDS, SECONDS, st.none() | st.tuples(SECONDS, SECONDS))
def test_what_they_cover_equals_brute_force(
    stretches: list[tuple[int, int]], since: int, until: int, also: tuple[int, int] | None
) -> None:
    spans = Spans()
    for stretch in stretches:
        spans.add(*stretch)
    every = [*stretches, also] if also else stretches
    true = sum(any(a <= second < b for a, b in every) for second in range(since, until))
    assert spans.within(since, until, also) == true


@given(STRETCHES, SECONDS)
def test_the_past_can_be_forgotten_without_changing_the_window(stretches: list[tuple[int, int]], start: int) -> None:
    spans, whole = Spans(), Spans()
    for stretch in stretches:
        spans.add(*stretch)
        whole.add(*stretch)
    spans.forget_before(start)
    assert spans.within(start, 60) == whole.within(start, 60)


@given(STRETCHES, st.integers(1, 4))
def test_a_bound_on_their_number_never_makes_them_cover_less(stretches: list[tuple[int, int]], most: int) -> None:
    few, whole = Spans(most), Spans()
    for stretch in stretches:
        few.add(*stretch)
        whole.add(*stretch)
        assert len(few) <= most
    assert few.within(0, 60) >= whole.within(0, 60)
