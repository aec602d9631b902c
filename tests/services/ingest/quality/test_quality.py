"""Coverage, staleness and silence of feeds: tables computed by hand, and properties over any ledger."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import SECOND_NS, Gap, Origin, StreamQuality
from services.ingest.quality.measure import Hole, Measure
from services.ingest.venues.terms import Stream

T0 = 1_700_000_000  # seconds; every time below is relative to it
BTC, ETH = "BTC-USDT-PERP", "ETH-USDT-PERP"


def ns(second: float) -> int:
    return round((T0 + second) * SECOND_NS)


def gap(
    since: float,
    until: float | None = None,
    *,
    symbol: str = BTC,
    stream: str = "books",
    recovered: bool = False,
    said: float | None = None,
) -> Gap:
    """`until` None: it is open. `said`: when it is published."""
    end = since if until is None else until
    at = ns(end if said is None else said)
    return Gap(
        venue="tiny",
        symbol=symbol,
        event_ns=at,
        received_ns=at,
        stream=stream,
        from_ns=ns(since),
        to_ns=ns(end),
        cause="disconnect",
        recovered=recovered,
    )


def measure(*symbols: str, origin: Origin = Origin.LIVE, window_s: float = 3600.0) -> Measure:
    """All streams of `symbols` followed since 0, trades and books heard at 0."""
    made = Measure(origin, began_ns=ns(0), window_s=window_s)
    for symbol in symbols:
        made.follow(symbol, Stream, ns(0))
        made.hear(symbol, Stream.TRADES, ns(0))
        made.hear(symbol, Stream.BOOKS, ns(0))
    return made


def of(made: Measure, stream: str, at: float) -> StreamQuality:
    return next(one for one in made.streams(ns(at)) if one.stream == stream)


def test_a_process_claims_nothing_for_the_time_before_it_heard_anything() -> None:
    made = Measure(Origin.LIVE, began_ns=ns(0))
    made.follow(BTC, Stream, ns(0))
    assert made.window_s(ns(10)) == 10
    assert of(made, "books", 10) == StreamQuality(
        stream="books", coverage=None, gap_s=0.0, missing_s=0.0, open_gaps=0, staleness_s=None
    )
    made.hear(BTC, "books", ns(20))
    assert of(made, "books", 30).coverage == 1.0
    assert of(made, "books", 30).staleness_s == 10.0
    assert of(made, "trades", 30).coverage is None
    assert made.window_s(ns(9999)) == 3600


# hand-computed: events in seconds, then (coverage, gap_s, missing_s, open_gaps) of books at second 100
@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        ([], (1.0, 0, 0, 0)),
        ([gap(10), gap(10, 20, recovered=True)], (0.9, 10, 10, 0)),  # a book is only taken anew
        ([gap(10, 20), gap(15, 30)], (0.8, 20, 20, 0)),  # overlap once
        ([gap(60)], (0.6, 40, 40, 1)),  # open: up to now
        ([gap(60), gap(50, 70)], (0.5, 50, 50, 1)),  # another one, closed, beside the open one
        ([gap(60), gap(60, 80)], (0.8, 20, 20, 0)),
        ([gap(-500), gap(-500, 5)], (0.95, 5, 5, 0)),  # it began before we did
        ([gap(10, 20, stream="candles"), gap(10, 20, symbol="XRP-USDT")], (1.0, 0, 0, 0)),  # not followed
    ],
)
def test_coverage_of_a_book_by_hand(gaps: list[Gap], expected: tuple[float, float, float, int]) -> None:
    made = measure(BTC)
    for one in gaps:
        made.note(one)
    found = of(made, "books", 100)
    assert found.coverage == pytest.approx(expected[0])
    assert (found.gap_s, found.missing_s, found.open_gaps) == expected[1:]


def test_trades_that_were_fetched_are_not_missing_any_more() -> None:
    made = measure(BTC, ETH)
    made.note(gap(40, stream="trades"))
    assert of(made, "trades", 50).coverage == pytest.approx(0.9)  # 10 of 2 x 50 symbol-seconds
    assert made.oldest_hole("trades") == Hole(BTC, "disconnect", ns(40), ns(40))
    made.note(gap(40, 60, stream="trades", recovered=True))
    assert made.oldest_hole("trades") is None
    made.note(gap(70, 80, stream="trades", symbol=ETH))
    found = of(made, "trades", 100)
    assert found.coverage == pytest.approx(0.95)
    assert (found.gap_s, found.missing_s) == (30.0, 10.0)


def test_the_window_slides() -> None:
    made = measure(BTC, window_s=100)
    made.note(gap(10, 30))
    assert of(made, "books", 100).coverage == pytest.approx(0.8)
    assert of(made, "books", 120).coverage == pytest.approx(0.9)
    assert of(made, "books", 130).coverage == 1.0


def test_rare_streams_are_observed_from_the_symbols_first_event() -> None:
    made = measure(BTC)
    made.note(gap(50, 60, stream="liquidations"))
    found = of(made, "liquidations", 100)
    assert found.coverage == pytest.approx(0.9)
    assert (found.staleness_s, found.silent) == (None, ())
    assert of(made, "funding", 100).coverage is None  # a state has no holes


def test_holes_before_the_first_event_count_and_the_rest_of_that_time_does_not() -> None:
    made = Measure(Origin.LIVE, began_ns=ns(0))
    made.follow(BTC, [Stream.BOOKS], ns(0))
    made.note(gap(10, 20))
    assert of(made, "books", 50).coverage == 0.0
    made.hear(BTC, "books", ns(70))
    assert of(made, "books", 100).coverage == pytest.approx(0.75)  # 10 of 10 + 30


def test_a_recordings_holes_are_timed_by_our_clock() -> None:
    made = measure(BTC, origin=Origin.RECORDED)
    years = 3e8
    made.note(gap(-years, said=40))
    made.note(gap(-years, 30 - years, said=60, recovered=True))
    assert of(made, "books", 100).coverage == pytest.approx(0.8)


def test_who_is_silent_is_said_with_its_stream() -> None:
    made = measure(BTC, ETH)
    silent = {(ETH, Stream.TRADES), (BTC, Stream.TRADES), (BTC, Stream.BOOKS)}
    said = {one.stream: one.silent for one in made.streams(ns(9), silent)}
    assert said == {"trades": (BTC, ETH), "books": (BTC,), "liquidations": (), "funding": ()}


def test_symbols_come_and_go() -> None:
    made = measure(BTC, ETH)
    made.note(gap(0, 50, symbol=ETH))
    assert made.symbols == 2
    assert of(made, "books", 100).coverage == pytest.approx(0.75)
    made.forget(ETH)
    assert (made.symbols, of(made, "books", 100).coverage) == (1, 1.0)
    made.hear(ETH, "books", ns(100))
    made.note(gap(100, symbol=ETH))
    assert of(made, "books", 200).open_gaps == 0
    made.forget(BTC)
    assert made.streams(ns(200)) == ()


SECONDS = st.integers(-20, 100)
LEDGER = st.lists(
    st.tuples(
        st.sampled_from((BTC, ETH)),
        st.sampled_from(("trades", "books", "liquidations")),
        SECONDS,
        st.none() | SECONDS,
        st.booleans(),
    ),
    max_size=20,
)


def told(ledger: list[tuple[str, str, int, int | None, bool]], heard: dict[str, int]) -> Measure:
    made = Measure(Origin.LIVE, began_ns=ns(0), window_s=60)
    for symbol, second in heard.items():
        made.follow(symbol, Stream, ns(0))
        for stream in ("trades", "books"):
            made.hear(symbol, stream, ns(second))
    for symbol, stream, since, until, recovered in ledger:
        made.note(gap(since, until, symbol=symbol, stream=stream, recovered=recovered and until is not None))
    return made


@given(LEDGER, st.integers(0, 50), st.integers(0, 50))
def test_coverage_is_a_share_whatever_happens(ledger: list[Any], btc: int, eth: int) -> None:
    for one in told(ledger, {BTC: btc, ETH: eth}).streams(ns(100)):
        assert one.coverage is None or 0.0 <= one.coverage <= 1.0
        assert 0.0 <= one.missing_s <= one.gap_s <= 2 * 60


@given(LEDGER, st.sampled_from(("trades", "books", "liquidations")), SECONDS, SECONDS, st.integers(0, 50))
def test_coverage_is_never_better_with_another_hole(
    ledger: list[Any], stream: str, since: int, until: int, heard: int
) -> None:
    before, after = told(ledger, {BTC: heard}), told(ledger, {BTC: heard})
    hole = next((ear.said_ns for ear in [after.oldest_hole(stream)] if ear), None)
    if until <= since or ns(since) == hole:
        return  # an empty one is none, and with the bounds of an open one it is that one's end
    after.note(gap(since, until, stream=stream))
    one, other = of(before, stream, 100).coverage, of(after, stream, 100).coverage
    assert one is None or (other is not None and other <= one + 1e-12)


@given(st.lists(st.tuples(SECONDS, SECONDS), max_size=15), st.integers(0, 99))
def test_coverage_equals_brute_force_on_whole_seconds(gaps: list[tuple[int, int]], heard: int) -> None:
    made = told([(BTC, "books", since, until, False) for since, until in gaps if until > since], {BTC: heard})
    window = range(40, 100)
    missing = {second for second in window for since, until in gaps if max(since, 0) <= second < until}
    observed = {second for second in window if second >= heard} | missing
    found = of(made, "books", 100)
    assert found.missing_s == len(missing)
    assert found.coverage == pytest.approx(1 - len(missing) / len(observed))
