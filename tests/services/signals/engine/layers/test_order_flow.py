import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signals.engine.book import Book
from services.signals.engine.config import EngineConfig
from services.signals.engine.layers.order_flow import OrderFlow, level_flow
from services.signals.engine.parameters.order_flow import OrderFlowParameters

GOLDEN = [
    ((100.0, 10.0), (100.1, 5.0)),
    ((100.0, 12.0), (100.1, 5.0)),
    ((100.1, 3.0), (100.2, 7.0)),
    ((100.1, 3.0), (100.2, 4.0)),
    ((100.0, 9.0), (100.2, 4.0)),
    ((100.0, 9.0), (100.1, 6.0)),
]


def run(book_events, **config):
    book, layer = Book.new(100), OrderFlow.new(EngineConfig(**config))
    for event in book_events:
        book.replace(event) if hasattr(event, "sequence") else book.change(event)
        layer.on_book(book, event)
    return layer


def test_golden_vector_of_order_flow_imbalance():
    flows = [level_flow(*now, *before) for before, now in itertools.pairwise(GOLDEN)]
    assert flows == [2.0, 8.0, 3.0, -3.0, -6.0]
    assert list(itertools.accumulate(flows)) == [2.0, 10.0, 13.0, 10.0, 4.0]


def golden_events(make):
    yield make.snapshot(0, [GOLDEN[0][0]], [GOLDEN[0][1]], 0)
    for n, (before, now) in enumerate(itertools.pairwise(GOLDEN), start=1):
        sides = [[(b[0], 0.0), a] if b[0] != a[0] else [a] for b, a in zip(before, now, strict=True)]
        yield make.delta(0, *sides, n)


def test_the_layer_sums_the_golden_flow(make):
    layer = run(golden_events(make), order_flow=OrderFlowParameters(levels=1))
    assert layer.flow == [4.0]
    assert layer.gross == [22.0]
    depth = [(b[1] + a[1]) / 2 for b, a in GOLDEN[1:]]
    opinion = layer.read(make.START + 30 * 10**9 // 4)
    assert opinion.facts["ofi_depths"] == pytest.approx(4.0 / (sum(depth) / 5), rel=1e-14)
    assert opinion.facts["queue_imbalance"] == pytest.approx(0.2, abs=1e-15)
    assert opinion.facts["weighted_mid"] == pytest.approx(100.06, abs=1e-12)
    assert opinion.score == pytest.approx(0.5 * 4 / 22 + 0.3 * 0.2 + 0.2 * 0.2, rel=1e-12)
    assert opinion.confidence == 0.25


def test_flow_is_forgotten(make):
    events = [
        make.snapshot(0, [(99.0, 5.0)], [(101.0, 5.0)], 0),
        make.delta(1, [(99.0, 9.0)], [], 1),
        make.delta(31, [], [(101.0, 7.0)], 2),
    ]
    layer = run(events, order_flow=OrderFlowParameters(levels=1))
    assert layer.flow[0] == pytest.approx(4 * math.exp(-1) - 2)


@pytest.mark.parametrize(
    ("events", "cause"),
    [
        (lambda make: [], "no_book"),
        (lambda make: [make.snapshot(0, [(9.0, 1.0)], [(10.0, 1.0)], 0), make.delta(1, [], [], 5)], "out_of_sync"),
        (lambda make: [make.snapshot(0, [(9.0, 1.0)], [], 0)], "one_sided"),
        (lambda make: [make.snapshot(0, [(11.0, 1.0)], [(10.0, 1.0)], 0)], "crossed"),
        (lambda make: [make.snapshot(-60, [(9.0, 1.0)], [(10.0, 1.0)], 0)], "stale"),
    ],
)
def test_abstains_with_its_cause(make, events, cause):
    opinion = run(events(make)).read(make.START + 10**9)
    assert (opinion.score, opinion.confidence, opinion.facts["cause"]) == (0.0, 0.0, cause)


def test_a_gap_in_the_books_silences_until_the_next_snapshot(make):
    layer = run([make.snapshot(0, [(9.0, 1.0)], [(10.0, 1.0)], 0)])
    layer.on_gap(make.gap(0, 1, stream="trades"))
    assert layer.read(make.START).facts.get("cause") is None
    layer.on_gap(make.gap(0, 1, stream="books"))
    assert layer.read(make.START).facts["cause"] == "gap"


sizes = st.floats(1e-6, 1e9)
sides = st.lists(st.tuples(st.integers(1, 9), st.one_of(st.just(0.0), sizes)), max_size=4)


@given(st.lists(st.tuples(sides, sides, st.floats(0, 40)), max_size=40))
def test_every_score_is_bounded_for_any_book(make, changes):
    book, layer, at = Book.new(50), OrderFlow.new(EngineConfig()), 0.0
    first = make.snapshot(0, [(50.0, 1.0)], [(51.0, 1.0)], 0)
    book.replace(first)
    layer.on_book(book, first)
    for n, (bids, asks, step) in enumerate(changes, start=1):
        at += step
        event = make.delta(at, [(50.0 - p, q) for p, q in bids], [(51.0 + p, q) for p, q in asks], n)
        book.change(event)
        layer.on_book(book, event)
        opinion = layer.read(make.START + round(at * 10**9))
        assert -1 <= opinion.score <= 1
        assert 0 <= opinion.confidence <= 1
        assert not any(isinstance(fact, float) and not math.isfinite(fact) for fact in opinion.facts.values())
