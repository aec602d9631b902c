"""What was said is not said again: rows by their time, states by their value, absences by their cause."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Metric
from services.ingest.vendors.once import Once


def number(value: float | None, at: int, received: int, *, cause: str | None = None, name: str = "etf_flow") -> Metric:
    return Metric(
        venue="v", symbol="*", event_ns=at, received_ns=received, name=name, unit="usd", value=value, cause=cause
    )


def test_a_row_is_said_once_and_again_when_it_was_revised():
    once = Once()
    assert once.admit(number(1.0, 10, 20))
    assert not once.admit(number(1.0, 10, 30))
    assert once.admit(number(1.5, 10, 40))
    assert once.admit(number(1.5, 11, 40))
    assert once.admit(number(1.0, 10, 20, name="open_interest"))


def test_a_state_without_the_vendors_time_is_news_when_its_value_changed():
    once = Once()
    assert [once.admit(number(value, at, at)) for at, value in enumerate((5.0, 5.0, 6.0, 6.0, 5.0))] == [
        True,
        False,
        True,
        False,
        True,
    ]


def test_an_absence_is_said_once_a_cause_and_then_the_newest_number_again():
    once = Once()
    assert once.admit(number(1.0, 10, 20))
    assert once.admit(number(2.0, 11, 20))
    assert once.admit(number(None, 30, 30, cause="HTTP 500"))
    assert not once.admit(number(None, 31, 31, cause="HTTP 500"))
    assert once.admit(number(None, 32, 32, cause="no key"))
    assert not once.admit(number(1.0, 10, 40))
    assert once.admit(number(2.0, 11, 40))
    assert not once.admit(number(2.0, 11, 50))
    assert once.admit(number(None, 60, 60, cause="no key"))


def test_memory_is_bounded_and_what_it_forgot_is_not_news():
    once = Once(rows=3)
    assert all(once.admit(number(float(at), at, 99)) for at in range(5))
    assert not any(once.admit(number(float(at), at, 100)) for at in range(5))


@given(st.lists(st.lists(st.tuples(st.integers(0, 30), st.sampled_from([1.0, 2.0])), max_size=8), max_size=12))
def test_whatever_is_answered_a_reader_who_keeps_the_last_value_of_a_row_has_the_vendors(answers):
    once = Once()
    seen: dict[int, float] = {}
    told: dict[int, float] = {}
    for turn, rows in enumerate(answers):
        for at, value in sorted(dict(rows).items()):
            told[at] = value
            if once.admit(number(value, at, 1_000 + turn)):
                assert seen.get(at) != value
                seen[at] = value
    assert seen == told
