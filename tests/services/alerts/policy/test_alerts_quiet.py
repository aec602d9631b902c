"""Quiet hours and digest times over every minute of years with summer time; the zones' own days by hand."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.policy.quiet import Quiet, is_quiet, local, quiet_until_ns, zone_of
from services.alerts.policy.schedule import next_digest_ns, roll_up_due_ns

S = 1_000_000_000
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Asia/Jakarta"]
)
MINUTES = st.integers(0, 1_439)
TIMES = st.integers(1_700_000_000, 1_860_000_000) | st.integers(1_792_880_000, 1_792_900_000)
QUIETS = st.builds(
    lambda begin, length, zone: Quiet(begin, (begin + length) % 1_440, zone), MINUTES, st.integers(1, 1_439), ZONES
)


def ns(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp()) * S


def test_over_midnight():
    quiet = Quiet(22 * 60, 7 * 60, "Asia/Jakarta")
    assert not is_quiet(quiet, ns("2026-11-21T21:59:59+07:00"))
    assert is_quiet(quiet, ns("2026-11-21T22:00:00+07:00"))
    assert is_quiet(quiet, ns("2026-11-22T06:59:59+07:00"))
    assert not is_quiet(quiet, ns("2026-11-22T07:00:00+07:00"))
    assert quiet_until_ns(quiet, ns("2026-11-21T23:10:30+07:00")) == ns("2026-11-22T07:00:00+07:00")
    assert quiet_until_ns(quiet, ns("2026-11-21T12:10:30+07:00")) == ns("2026-11-21T12:10:30+07:00")


def test_an_hour_that_is_skipped_is_not_quiet_and_one_that_comes_twice_is_quiet_twice():
    quiet = Quiet(2 * 60, 3 * 60, "Europe/Berlin")
    assert not any(is_quiet(quiet, ns("2026-03-29T00:00:00+00:00") + minute * 60 * S) for minute in range(180))
    assert sum(is_quiet(quiet, ns("2026-10-24T22:00:00+00:00") + minute * 60 * S) for minute in range(360)) == 120
    assert quiet_until_ns(quiet, ns("2026-10-25T00:10:00+00:00")) == ns("2026-10-25T02:00:00+00:00")
    over = Quiet(60, 150, "Europe/Berlin")
    assert quiet_until_ns(over, ns("2026-03-29T00:30:00+00:00")) == ns("2026-03-29T01:00:00+00:00")


@pytest.mark.parametrize(
    "bad", [(-1, 5, "UTC"), (5, 1_440, "UTC"), (5, 5, "UTC"), (1, 2, "Nowhere"), (1, 2, "../etc/passwd"), (1, 2, "")]
)
def test_what_is_no_quiet_time_is_refused(bad):
    with pytest.raises(ValueError, match=r"no minute|different times|no time zone"):
        Quiet(*bad)


@given(QUIETS, TIMES)
def test_the_end_is_the_first_minute_that_is_not_quiet(quiet, at_s):
    end_ns = quiet_until_ns(quiet, at_s * S)
    assert not is_quiet(quiet, end_ns)
    assert (end_ns == at_s * S) is not is_quiet(quiet, at_s * S)
    for one_s in {at_s, end_ns // S - 1, *range(at_s, end_ns // S, 613)} if end_ns > at_s * S else ():
        assert is_quiet(quiet, one_s * S)


@given(MINUTES, ZONES, TIMES)
def test_a_digest_is_due_once_a_local_day(minute, zone, at_s):
    first = next_digest_ns(minute, zone, at_s * S)
    second = next_digest_ns(minute, zone, first)
    assert at_s * S < first <= at_s * S + 26 * 3_600 * S
    days = [local(due, zone_of(zone)).date() for due in (first, second)]
    assert (days[1] - days[0]).days == 1
    shown = local(first, zone_of(zone))
    assert (shown.hour * 60 + shown.minute - minute) % 1_440 in {0, 30, 60}


def test_a_digest_by_hand():
    assert next_digest_ns(8 * 60, "Asia/Jakarta", ns("2026-11-21T08:00:00+07:00")) == ns("2026-11-22T08:00:00+07:00")
    assert next_digest_ns(150, "Europe/Berlin", ns("2026-03-28T12:00:00+00:00")) == ns("2026-03-29T03:30:00+02:00")
    assert next_digest_ns(150, "Europe/Berlin", ns("2026-10-24T12:00:00+00:00")) == ns("2026-10-25T02:30:00+02:00")
    with pytest.raises(ValueError, match="no minute"):
        next_digest_ns(1_440, "UTC", 0)


def test_what_rolls_up_waits_for_the_digest_or_the_hour_but_not_in_quiet():
    now = ns("2026-11-21T17:20:00+00:00")
    assert roll_up_due_ns(None, "UTC", None, now) == ns("2026-11-21T18:00:00+00:00")
    assert roll_up_due_ns(1_200, "UTC", None, now) == ns("2026-11-21T20:00:00+00:00")
    assert roll_up_due_ns(None, "UTC", Quiet(17 * 60, 19 * 60), now) == ns("2026-11-21T19:00:00+00:00")
    assert datetime.fromtimestamp(now // S, UTC).hour == 17
