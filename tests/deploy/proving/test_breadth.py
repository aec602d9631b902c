"""The breadth run's arithmetic: lateness by hand-computed numbers, growth told from a pause of the machine."""

import math
import time
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.sandbox.listings_many import MANY
from deploy.proving.arrivals import Arrivals, Window, quantile
from deploy.proving.breadth import VENUES, main, measured
from deploy.proving.breadth_findings import Followed, charted, findings, rise, warm
from deploy.proving.sampling import Sample, Watched
from deploy.proving.street import Street

SHARES = {"sandbox": 0.1, "ingest-okx": 0.2}


def window(at_s: float, median_ms: float = 20.0, newest_ms: float = 80.0, symbols: str = "AB") -> Window:
    return Window(
        at_s=at_s,
        events=1000,
        median_ms=median_ms,
        p99_ms=median_ms * 3,
        newest_ms=newest_ms,
        symbols=frozenset(symbols),
    )


def followed(windows: list[Window], **metrics: float) -> Followed:
    watched = Watched("ingest-okx", 1, 2)
    watched.samples = [Sample(1.0, 70 << 20, 1.0, {}), Sample(300.0, 71 << 20, 9.0, metrics)]
    return Followed(venue="okx", symbols=frozenset("AB"), windows=windows, watched=watched)


def failed(windows: list[Window], late_ms: float = 50.0, busy: float = 0.2, **metrics: float) -> set[str]:
    shares = {"sandbox": 0.1, "ingest-okx": busy}
    return {one.what for one in findings([followed(windows, **metrics)], [late_ms], shares) if not one.held}


def test_steady_lag_holds():
    steady = [window(10.0 * at) for at in range(1, 31)]
    assert failed(steady, csx_ingest_published_total=9.0) == set()
    assert "| okx | 2 | 100 | 20 -> 20 | 60 -> 60 | 80 |" in charted([followed(steady)], SHARES)


def test_growth_fails_and_one_pause_does_not():
    growing = [window(10.0 * at, 20.0 + 5 * at) for at in range(1, 31)]
    assert failed(growing) == {"okx: rise of the median"}
    paused = [window(10.0 * at, 700.0 if at in {20, 21} else 20.0) for at in range(1, 31)]
    assert failed(paused) == set()
    assert failed([window(10.0 * at, newest_ms=2500.0 if at == 20 else 80.0) for at in range(1, 31)]) == {
        "okx: newest event, worst"
    }


def test_what_else_fails():
    steady = [window(10.0 * at) for at in range(1, 31)]
    assert failed(steady, csx_ingest_shed_total=3.0) == {"okx: events shed or conflated"}
    assert failed(steady, late_ms=1200.0) == {"the exchange itself, behind the clock"}
    assert failed(steady, busy=1.0) == {"all ingest together"}
    silent = [window(10.0 * at, symbols="AB" if at < 20 else "A") for at in range(1, 31)]
    assert failed(silent) == {"markets heard in the last third"}
    assert failed([]) >= {"okx: rise of the median", "okx: newest event, worst", "markets heard in the last third"}


def test_the_first_fifth_is_left_out():
    assert [one.at_s for one in warm([window(10.0 * at) for at in range(1, 11)])] == [30.0 + 10 * at for at in range(8)]


@given(st.integers(-50, 50), st.lists(st.floats(-1e6, 1e6), max_size=5), st.randoms(use_true_random=False))
def test_a_quarter_of_wild_points_does_not_bend_the_line(slope, wild, chance):
    """Fewer than 29 % of the points, anywhere: the breakdown point of Theil and Sen's line."""
    values = [float(slope * at) for at in range(20)]
    for at, value in zip(chance.sample(range(1, 19), len(wild)), wild, strict=True):
        values[at] = value
    assert rise([(float(at), value) for at, value in enumerate(values)]) == pytest.approx(slope * 19.0)


def test_too_few_windows_say_nothing():
    assert math.isnan(rise([(1.0, 2.0), (2.0, 3.0)]))
    assert math.isnan(quantile([], 0.5))


def test_lateness_is_publish_time_minus_event_time():
    arrivals = Arrivals()
    now_ms = int(time.time() * 1000)
    for late_ms in range(1, 101):
        event = {"type": "trade", "venue": "okx", "symbol": "A", "event_ns": (now_ms - late_ms) * 10**6}
        arrivals.take(msgspec.json.encode(event), now_ms)
    whole = {"type": "book_snapshot", "venue": "okx", "symbol": "B", "event_ns": 1}
    arrivals.take(msgspec.json.encode(whole), now_ms)
    seen = arrivals.look("okx", 10.0)
    assert (seen.events, seen.median_ms, seen.p99_ms, seen.symbols) == (100, 50.0, 99.0, frozenset("A"))
    assert 0 <= seen.newest_ms < 5000
    again = arrivals.look("okx", 20.0)
    assert again.events == 0
    assert again.newest_ms >= seen.newest_ms
    assert math.isnan(arrivals.look("bybit", 20.0).newest_ms)


@pytest.mark.slow
def test_every_market_arrives(tmp_path):
    """A short run with real processes: all 65 markets are heard; how late they are is for a quiet machine to say."""
    with Street(tmp_path) as street:
        ran = measured(street, 40.0, 4.0)
    heard = {(one.venue, symbol) for one in ran.followed for window in one.windows for symbol in window.symbols}
    assert heard == {(row.venue, row.symbol) for row in MANY}
    assert {one.venue for one in ran.followed} == set(VENUES)
    assert set(ran.shares) >= {"sandbox", "broker", "ingest-okx", "the rest of the machine"}
    assert len(ran.late_ms) == 10


def test_wrong_durations_are_refused(capsys):
    with pytest.raises(SystemExit):
        main(["--for", "soon", "--report", str(Path("unused.md"))])
    assert "soon" in capsys.readouterr().err
