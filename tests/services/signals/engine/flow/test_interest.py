import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import OpenInterest
from services.signals.engine.flow.interest import Interest

MINUTE_NS = 60 * 10**9


def told(at_ns, **values):
    return OpenInterest(venue="okx", symbol="BTC-USDT-PERP", event_ns=at_ns, received_ns=at_ns, **values)


def heard(*rows):
    interest = Interest(10 * MINUTE_NS)
    for minute, value in rows:
        interest.take(told(minute * MINUTE_NS, base=value))
    return interest


def test_the_change_is_against_what_stood_when_the_window_began():
    interest = heard((1, 1000.0), (4, 900.0), (9, 800.0), (13, 720.0))
    assert interest.change(14 * MINUTE_NS) == pytest.approx(-0.2, rel=1e-12)
    assert interest.change(13 * MINUTE_NS) == pytest.approx(-0.28, rel=1e-12)


def test_it_is_unknown_before_a_window_was_heard():
    assert heard().change(MINUTE_NS) is None
    assert heard((5, 1000.0), (6, 900.0)).change(14 * MINUTE_NS) is None
    assert heard((1, 0.0), (12, 5.0)).change(12 * MINUTE_NS) is None


def test_units_are_not_mixed():
    interest = heard((1, 1000.0))
    interest.take(told(12 * MINUTE_NS, notional=5e7))
    assert interest.change(12 * MINUTE_NS) == 0.0
    interest.take(told(13 * MINUTE_NS, base=1100.0, notional=5e7))
    assert interest.change(13 * MINUTE_NS) == pytest.approx(0.1, rel=1e-12)


def test_what_comes_late_is_left():
    interest = heard((1, 1000.0), (12, 500.0), (11, 900.0))
    assert interest.change(12 * MINUTE_NS) == -0.5


@given(st.lists(st.tuples(st.integers(1, 40), st.floats(1, 1e6)), max_size=80))
def test_it_holds_no_more_than_it_needs(rows):
    interest = heard(*sorted(rows))
    begin_ns = (interest.rows[-1][0] if interest.rows else 0) - 10 * MINUTE_NS
    assert sum(at_ns <= begin_ns for at_ns, _ in interest.rows) <= 1
    assert interest.rows == sorted(interest.rows)
