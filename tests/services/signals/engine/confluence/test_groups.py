from math import fsum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signals.engine.confluence.groups import clip

masses = st.lists(st.floats(0.001, 10), min_size=1, max_size=6).map(lambda m: {f"g{n}": v for n, v in enumerate(m)})
caps = st.floats(0.05, 1)


def test_by_hand():
    assert clip({"a": 3.0, "b": 1.0}, 0.5) == {"a": 1.0, "b": 1.0}
    assert clip({"a": 3.0, "b": 1.0, "c": 1.0}, 0.5) == {"a": 2.0, "b": 1.0, "c": 1.0}
    assert clip({"a": 6.0, "b": 5.0, "c": 1.0}, 0.4) == pytest.approx({"a": 2.0, "b": 2.0, "c": 1.0})
    assert clip({"a": 2.0, "b": 1.5, "c": 1.0}, 0.5) == {"a": 2.0, "b": 1.5, "c": 1.0}
    assert clip({"a": 2.0}, 0.5) == {"a": 2.0}
    assert clip({}, 0.5) == {}


@given(masses, caps)
def test_no_group_is_above_its_share_and_none_grows(m, cap):
    left = clip(m, cap)
    share = max(cap, 1 / len(m))
    total = fsum(left.values())
    assert total > 0
    for group, mass in left.items():
        assert mass <= m[group]
        assert mass <= share * total * (1 + 1e-9)
        assert mass == m[group] or mass == pytest.approx(share * total, rel=1e-9)


@given(masses, caps, st.floats(1, 5))
def test_more_of_one_group_never_leaves_less_of_all(m, cap, factor):
    more = {**m, "g0": m["g0"] * factor}
    before, after = clip(m, cap), clip(more, cap)
    assert all(after[group] >= before[group] * (1 - 1e-9) for group in m)
