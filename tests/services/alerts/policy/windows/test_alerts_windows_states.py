"""Gaps, feeds and outcomes: facts by hand."""

import pytest

from libs.common.conditions.subjects import Kind
from libs.common.events import Barrier, FeedQuality, Gap, Grade, Outcome, StreamQuality, Timeframe
from services.alerts.policy.watching import Watching
from tests.services.alerts.policy.windows.market_events import BTC, market, ns


def gap(at_s, from_s, to_s, **changes):
    return Gap(
        **market(at_s, BTC, "okx"), stream="books", from_ns=ns(from_s), to_ns=ns(to_s), cause="checksum", **changes
    )


def test_an_open_gap_lasts_up_to_when_it_was_noticed():
    (subject,) = Watching().take(gap(12.5, 10, 10))
    assert subject.kind is Kind.GAP
    assert subject.facts == {
        "venue": "okx",
        "symbol": BTC,
        "gap_s": 2.5,
        "gap_stream": "books",
        "gap_cause": "checksum",
        "gap_open": True,
        "gap_recovered": False,
    }


@pytest.mark.parametrize("recovered", [True, False])
def test_a_closed_gap_is_the_same_story(recovered):
    watching = Watching()
    (opened,) = watching.take(gap(12.5, 10, 10))
    (closed,) = watching.take(gap(20, 10, 19, recovered=recovered))
    assert closed.key == opened.key == f"gap|okx|{BTC}|books|{ns(10)}"
    assert (closed.facts["gap_s"], closed.facts["gap_open"], closed.facts["gap_recovered"]) == (9.0, False, recovered)


def test_a_gap_from_the_future_of_its_notice_has_no_length():
    (subject,) = Watching().take(gap(5, 10, 10))
    assert subject.facts["gap_s"] == 0.0


def stream(name, coverage, staleness_s, open_gaps):
    return StreamQuality(
        stream=name, coverage=coverage, gap_s=0.0, missing_s=0.0, open_gaps=open_gaps, staleness_s=staleness_s
    )


def feed(at_s, *streams, venue="okx", **changes):
    fields = {
        "grade": Grade.B,
        "causes": (),
        "window_s": 3_600.0,
        "symbols": 2,
        "connections": 3,
        "connections_wanted": 5,
        "clock_offset_s": -0.25,
        "clock_bound_s": 0.1,
        "clock_cause": None,
        "bars_audited": 0,
        "bars_different": 0,
        "rest_budget_used": 0.0,
        "rest_pace": 1.0,
        "rest_venue_weight": None,
        "rest_paused_s": 0.0,
        "rest_in_flight": 0,
        "rest_waiting": 0,
        **changes,
    }
    return FeedQuality(venue=venue, event_ns=ns(at_s), streams=streams, **fields)


def test_a_feed_is_as_bad_as_its_worst_stream():
    (subject,) = Watching().take(
        feed(0, stream("trades", 0.99, 4.0, 1), stream("books", 0.75, 2.0, 2), stream("funding", None, 900.0, 0))
    )
    assert (subject.kind, subject.symbol, subject.key) == (Kind.FEED, "*", "feed|okx")
    assert subject.facts == {
        "venue": "okx",
        "symbol": "*",
        "grade": "b",
        "coverage_min": 0.75,
        "staleness_max_s": 4.0,  # funding is silent for hours by nature
        "open_gaps": 3.0,
        "connections_missing": 2.0,
        "clock_offset_s": -0.25,
        "feed_stopped": False,
    }


def test_what_a_feed_does_not_know_is_absent():
    (subject,) = Watching().take(feed(0, clock_offset_s=None, clock_cause="unasked", connections=9, stopped=True))
    assert set(subject.facts) == {"venue", "symbol", "grade", "open_gaps", "connections_missing", "feed_stopped"}
    assert (subject.facts["connections_missing"], subject.facts["feed_stopped"]) == (0.0, True)


def test_every_report_is_told_once_and_venues_are_bounded():
    watching = Watching()
    assert [len(watching.take(feed(at_s))) for at_s in (0, 10, 10, 5, 20)] == [1, 1, 0, 0, 1]
    assert (watching.tally.repeated, watching.tally.late) == (1, 1)
    told = [watching.take(feed(0, venue=str(number))) for number in range(300)]
    assert sum(map(len, told)) == 255
    assert watching.tally.refused == 45


def outcome(**changes):
    fields = {"barrier": Barrier.TARGET, "r_multiple": 1.5, "mfe": 2.0, "mae": -0.5, **changes}
    return Outcome(venue="okx", symbol=BTC, signal_id="sig_1", timeframe=Timeframe.H1, resolved_ns=ns(9), **fields)


def test_an_outcome_is_told_in_units_of_its_risk():
    (subject,) = Watching().take(outcome())
    assert (subject.kind, subject.key, subject.at_ns) == (Kind.OUTCOME, "outcome|sig_1", ns(9))
    assert subject.facts == {
        "venue": "okx",
        "symbol": BTC,
        "barrier": "target",
        "timeframe": "1h",
        "r_multiple": 1.5,
        "mfe": 2.0,
        "mae": -0.5,
    }


def test_an_unresolved_outcome_has_no_profit():
    (subject,) = Watching().take(outcome(barrier=Barrier.UNRESOLVED, r_multiple=None, mfe=None, mae=None))
    assert set(subject.facts) == {"venue", "symbol", "barrier", "timeframe"}
