"""What the soak measures with: slopes, the book on the topic, gaps by hand, and findings that can fail."""

import math
from typing import Any

import pytest

from deploy.proving.outcome import Folded, Outcome
from deploy.proving.report import Finding, table
from deploy.proving.sampling import Sample, Watched, slope
from deploy.proving.sessions import Session, session
from deploy.proving.soak_findings import Played, findings
from libs.common.events import BookDelta, BookSnapshot, Gap

COMMON: dict[str, Any] = {"venue": "binance-spot", "symbol": "BTC-USDT", "event_ns": 1, "received_ns": 1}
MIB = 2**20


def test_a_slope_is_that_of_the_line_through_the_points():
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2.0)
    assert slope([(0, 5), (1, 5), (2, 5)]) == 0
    assert math.isnan(slope([(0, 1), (1, 2)]))
    assert math.isnan(slope([(1, 1), (1, 2), (1, 3)]))


def test_a_topic_is_folded_as_a_reader_folds_it():
    book = Folded()
    book.hear(BookDelta(**COMMON, bids=((9.0, 1.0),), asks=(), first_sequence=5, last_sequence=5))
    assert (book.unfit, book.sequence) == (1, None)
    book.hear(BookSnapshot(**COMMON, bids=((10.0, 1.0),), asks=((11.0, 1.0),), sequence=5))
    book.hear(BookDelta(**COMMON, bids=((10.0, 0.0), (9.0, 2.0)), asks=(), first_sequence=6, last_sequence=8))
    assert book.best(5) == ([(9.0, 2.0)], [(11.0, 1.0)])
    book.hear(BookDelta(**COMMON, bids=((9.0, 7.0),), asks=(), first_sequence=6, last_sequence=8))
    book.hear(BookDelta(**COMMON, bids=((9.0, 7.0),), asks=(), first_sequence=10, last_sequence=10))
    assert (book.snapshots, book.deltas, book.repeated, book.unfit, book.crossed) == (1, 1, 1, 2, 0)
    book.hear(BookDelta(**COMMON, bids=((11.0, 1.0),), asks=(), first_sequence=9, last_sequence=9))
    assert book.crossed == 1


def gap(from_ns: int, to_ns: int, *, stream: str = "trades", recovered: bool = False) -> Gap:
    return Gap(**COMMON, stream=stream, from_ns=from_ns, to_ns=to_ns, cause="disconnect", recovered=recovered)


def test_gaps_are_matched_by_stream():
    outcome = Outcome(gaps=[gap(1, 1), gap(1, 1, stream="books"), gap(1, 4, recovered=True)])
    assert [one.stream for one in outcome.open_gaps(10)] == ["books"]
    assert (outcome.opened("trades"), outcome.closed("trades", recovered=True)) == (1, 1)
    outcome.gaps.append(gap(1, 5, stream="books"))
    assert outcome.open_gaps(10) == []
    assert outcome.closed("books", recovered=True) == 0


def sample(at_s: float, rss: int, **metrics: float) -> Sample:
    return Sample(at_s, rss, 1.0, {f"csx_ingest_{name}": value for name, value in metrics.items()})


def played(outcome: Outcome, *, rss_per_min: float = 0.0, fullest: float = 500, first_data: float = 3) -> Played:
    metrics = {
        "buffer_fullest_lane": fullest,
        "disconnects_total": 3.0,
        "first_data_seconds_count": 3.0,
        "first_data_seconds_sum": 1.5,
        "first_data_seconds_bucket{le=5.0}": first_data,
        "recovery_seconds_count": 3.0,
        "recovery_seconds_sum": 0.9,
        "recovery_seconds_bucket{le=2.0}": 3.0,
        "unaccounted_events": 0.0,
    }
    watched = Watched("ingest", 1, 1)
    watched.samples = [sample(minute * 60.0, int((80 + rss_per_min * minute) * MIB), **metrics) for minute in range(10)]
    return Played(
        session=Session(
            venue="binance-spot", symbol="BTC-USDT", files=(), seconds=1.0, trade_ids=(1, 2), events=2, bytes=2
        ),
        speed=1.0,
        watched=watched,
        status={"exchanges": {"binance-spot": {"rest_peak": 2}}},
        book={"bids": [["10", "1"]], "asks": [["11", "1"]]},
        outcome=outcome,
        drained_s=1.0,
        finished_ns=10,
    )


def whole() -> Outcome:
    outcome = Outcome(gaps=[gap(1, 1), gap(1, 4, recovered=True)])
    outcome.trade_ids.update(["1", "2"])
    outcome.book.hear(BookSnapshot(**COMMON, bids=((10.0, 1.0),), asks=((11.0, 1.0),), sequence=5))
    return outcome


def failed(one: Played) -> set[str]:
    return {finding.what.partition(": ")[2] for finding in findings([one], 3) if not finding.held}


def test_a_run_without_fault_holds_everything():
    assert failed(played(whole())) == set()


def test_each_fault_is_found():
    missing = whole()
    del missing.trade_ids["2"]
    assert failed(played(missing)) == {"trades missing at the end"}
    dangling = whole()
    dangling.gaps.append(gap(7, 7))
    assert failed(played(dangling)) == {"gaps until the exchange fell silent, each closed with everything recovered"}
    other = whole()
    other.book.hear(BookSnapshot(**COMMON, bids=((9.0, 1.0),), asks=((11.0, 1.0),), sequence=6))
    assert failed(played(other)) == {"book on the topic"}
    assert failed(played(whole(), rss_per_min=1.5)) == {"RSS after two minutes"}
    assert failed(played(whole(), fullest=501)) == {"fullest lane of the buffer"}
    assert failed(played(whole(), first_data=2)) == {"lost connection to first data"}


def test_the_table_says_what_did_not_hold():
    said = table([Finding("a", "0", "1", held=False), Finding("b", "0", "0", held=True)])
    assert "| a | 0 | 1 | **no** |" in said
    assert "| b | 0 | 0 | yes |" in said


@pytest.mark.recordings
def test_a_session_is_read_from_its_lines(recordings):
    path = recordings / "raw" / "binance_usdm" / "2024-08-08_btcusdt.gz"
    found = session("binance-usdm", "BTC-USDT-PERP", [path])
    assert len(found.trade_ids) == 21_313
    assert found.seconds == pytest.approx(344.8, abs=0.1)
    assert found.events >= 21_313 + 6_000
