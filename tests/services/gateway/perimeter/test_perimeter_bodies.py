"""Bodies before anybody works on them: how deep JSON is, against a parser; what hostile texts cost."""

import json

from hypothesis import given
from hypothesis import strategies as st

from libs.common.runtime.clock import monotonic_s
from services.gateway.perimeter.bodies import MAX_DEPTH, too_deep

LEAVES = st.none() | st.booleans() | st.integers() | st.text(alphabet='[{"\\]}a', max_size=12)
TREES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


def depth(tree) -> int:
    match tree:
        case list():
            return 1 + max(map(depth, tree), default=0)
        case dict():
            return 1 + max(map(depth, tree.values()), default=0)
    return 0


@given(TREES, st.integers(0, 40))
def test_depth_is_counted_as_a_parser_would(tree, wraps):
    for i in range(wraps):
        tree = [tree] if i % 2 else {"a[": tree, 'b"]': "\\"}
    assert too_deep(json.dumps(tree).encode()) == (depth(tree) > MAX_DEPTH)


def test_brackets_in_texts_are_no_depth():
    assert not too_deep(json.dumps(["[" * 500, {"{" * 500: '\\"[' * 100}]).encode())
    assert too_deep(b"[" * (MAX_DEPTH + 1))
    assert not too_deep(b"[]" * 1000)


def test_hostile_texts_cost_their_length_once():
    for hostile in (
        b'"' + rb"\"" * 130_000,
        b"[" * 33 + b'"' * 260_000,
        b'"\\' * 130_000,
        b"{[" * 16 + b'\\"' * 130_000,
    ):
        began = monotonic_s()
        too_deep(hostile + b"[" * 40)
        assert monotonic_s() - began < 1.0
