import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signals.engine.book import Book, mid, queue_share, weighted_mid

BIDS = [(100.0, 9.0), (99.9, 1.0)]
ASKS = [(100.1, 6.0), (100.2, 2.0)]


def test_golden_vector_of_imbalance_and_weighted_mid():
    bids, asks = [(100.0, 9.0)], [(100.1, 6.0)]
    assert queue_share(bids, asks) == pytest.approx(0.6, abs=1e-15)
    assert weighted_mid(bids, asks) == pytest.approx(100.06, abs=1e-12)
    assert mid(bids, asks) == pytest.approx(100.05, abs=1e-12)


def test_a_delta_must_continue_the_sequence(make):
    book = Book.new(100)
    assert not book.change(make.delta(0, [], [], 11))
    assert book.replace(make.snapshot(0, BIDS, ASKS, 10))
    assert book.change(make.delta(1, [(100.0, 4.0)], [(100.1, 0.0)], 11, 15))
    assert (book.bids.top(5), book.asks.top(5)) == ([(100.0, 4.0), (99.9, 1.0)], [(100.2, 2.0)])
    states = [book.valid]
    assert not book.change(make.delta(2, [(100.0, 1.0)], [], 17))
    assert [*states, book.valid] == [True, False]
    assert not book.change(make.delta(2, [(100.0, 1.0)], [], 16))
    assert book.replace(make.snapshot(3, BIDS, ASKS, 30))
    assert (book.valid, book.sequence) == (True, 30)


def test_what_comes_twice_changes_nothing(make):
    book = Book.new(100)
    first, second = make.snapshot(0, BIDS, ASKS, 10), make.delta(1, [(100.0, 4.0)], [], 11, 15)
    third = make.delta(2, [(99.9, 3.0)], [], 16)
    for event in (first, second, third, second, third):
        book.replace(event) if event is first else book.change(event)
    assert not book.replace(first)
    assert (book.valid, book.sequence, book.bids.top(2)) == (True, 16, [(100.0, 4.0), (99.9, 3.0)])


def test_a_reset_of_the_venues_sequence_is_followed(make):
    book = Book.new(100)
    book.replace(make.snapshot(0, BIDS, ASKS, 10))
    reset = make.delta(1, [(100.0, 5.0)], [], 11, 3)
    assert book.change(reset)
    assert not book.change(reset)
    assert book.change(make.delta(2, [(100.0, 6.0)], [], 4))
    assert (book.valid, book.sequence) == (True, 4)


def test_levels_that_cannot_be_are_counted(make):
    book = Book.new(100)
    book.replace(make.snapshot(0, [*BIDS, (-1.0, 1.0)], [*ASKS, (5.0, float("inf")), (float("nan"), 1.0)], 10))
    assert book.invalid_levels == 3
    assert (len(book.bids.keys), len(book.asks.keys)) == (2, 2)


def test_the_farthest_levels_are_let_go(make):
    book = Book.new(2)
    book.replace(make.snapshot(0, BIDS, ASKS, 10))
    book.change(make.delta(1, [(99.95, 7.0)], [], 11))
    assert book.bids.top(5) == [(100.0, 9.0), (99.95, 7.0)]


def test_crossed_and_one_sided(make):
    book = Book.new(10)
    book.replace(make.snapshot(0, BIDS, [], 1))
    assert (book.two_sided, book.crossed) == (False, False)
    book.replace(make.snapshot(1, BIDS, [(100.0, 1.0)], 2))
    assert (book.two_sided, book.crossed) == (True, True)


levels = st.lists(st.tuples(st.integers(1, 30).map(float), st.sampled_from([0.0, 1.0, 2.5])), max_size=6)


@given(st.lists(st.tuples(levels, levels), max_size=30))
def test_a_book_equals_a_dictionary_of_levels(make, changes):
    book = Book.new(1000)
    model: tuple[dict[float, float], dict[float, float]] = ({}, {})
    book.replace(make.snapshot(0, [], [], 0))
    for n, change in enumerate(changes, start=1):
        book.change(make.delta(0, *change, n))
        for side, side_levels in zip(model, change, strict=True):
            side.update(side_levels)
            for price in [price for price, size in side.items() if size == 0]:
                del side[price]
    assert book.bids.top(99) == sorted(model[0].items(), reverse=True)
    assert book.asks.top(99) == sorted(model[1].items())
