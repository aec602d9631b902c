"""Waiting times: full jitter under a doubling bound, reproducible by seed."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.runtime.backoff import Backoff


def test_the_bound_doubles_up_to_the_cap_and_begins_again_after_success():
    backoff = Backoff(0.5, 3.0, seed=1)
    bounds = []
    for _ in range(5):
        bounds.append(backoff.bound_s)
        backoff.next_s()
    assert bounds == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.bound_s == 0.5


@given(st.integers(0, 2**32), st.integers(1, 200))
def test_every_wait_lies_between_zero_and_its_bound(seed, attempts):
    backoff = Backoff(0.5, 30.0, seed=seed)
    for _ in range(attempts):
        bound_s = backoff.bound_s
        assert 0.0 <= backoff.next_s() <= bound_s <= 30.0


def test_one_seed_gives_one_series():
    first, second = Backoff(seed=7), Backoff(seed=7)
    assert [first.next_s() for _ in range(9)] == [second.next_s() for _ in range(9)]
