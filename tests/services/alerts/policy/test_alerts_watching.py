"""All windows together: catalogued names, bounds, determinism, and a state that survives a dump."""

from itertools import chain
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.conditions.catalogue import METRICS
from libs.common.conditions.language import compile_condition
from libs.common.conditions.subjects import Kind
from libs.common.conditions.templates import TEMPLATES
from libs.common.events import BookDelta, Gap, MarkPrice, Outcome, Trade
from libs.common.events.catalogue import METRICS as VENDORS
from services.alerts.policy.triggers import State, ending, step
from services.alerts.policy.watching import WINDOWS, Watching
from services.ingest.recording.normalize import Normalizer
from tests.services.alerts.policy.windows.market_events import (
    BTC,
    BUY,
    LONG,
    SELL,
    SHORT,
    funding,
    interest,
    liquidation,
    market,
    metric,
    minute,
    trade,
)
from tests.services.alerts.policy.windows.test_alerts_windows_states import feed, gap, outcome, stream


def a_busy_day():
    """Every window with everything it can say."""
    yield feed(0, stream("trades", 0.9, 1.0, 0))
    yield gap(1, 0, 0)
    yield outcome()
    for name in VENDORS:
        yield metric(1, name, 3.0, exchange="OKX")
    for second in range(4):
        yield trade(second, 1e6 + second)
        yield liquidation(second, 1e6 + second)
    for slot in range(300):
        yield funding(300 * slot, slot * 1e-6)
        yield interest(300 * slot, base=100.0 + slot)
    for number in range(1_500):
        yield minute(number, 100.0)


def told(events, watching=None):
    watching = Watching() if watching is None else watching
    return [subject for event in events for subject in watching.take(event)]


def test_every_fact_is_catalogued_for_its_kind_with_its_type():
    seen: dict[Any, Any] = {}
    for subject in told(a_busy_day()):
        for name, value in subject.facts.items():
            seen.setdefault((name, subject.kind), set()).add(type(value))
    for (name, kind), types in seen.items():
        assert name in METRICS, (name, kind)
        assert types == {METRICS[name].type}, (name, types)
        assert kind in METRICS[name].kinds, (name, kind)


def test_every_catalogued_fact_of_a_watched_kind_is_told():
    seen = {(name, subject.kind) for subject in told(a_busy_day()) for name in subject.facts}
    watched = set(Kind) - {Kind.SIGNAL, Kind.SYSTEM}  # of these, verdicts and the processes speak
    wanted = {(name, kind) for name, what in METRICS.items() for kind in what.kinds & watched}
    assert wanted - seen == set()


def test_texts_are_of_the_catalogued_values():
    for subject in told(a_busy_day()):
        for name, value in subject.facts.items():
            assert not METRICS[name].values or value in METRICS[name].values


def test_every_event_of_the_table_is_watched_and_others_are_passed_over():
    kinds = {type(event) for event in a_busy_day()} | {MarkPrice}
    assert kinds == set(WINDOWS)
    delta = BookDelta(**market(0, BTC, "okx"), bids=(), asks=(), first_sequence=1, last_sequence=1)
    watching = Watching()
    assert watching.take(delta) == []
    assert watching == Watching()


def test_markets_beyond_the_most_are_counted_and_not_watched():
    watching = Watching(most=2)
    symbols = [f"C{number}-USDT" for number in range(5)]
    events = [trade(0, 1e6, symbol=symbol) for symbol in symbols]
    subjects = told(events, watching)
    assert {subject.symbol for subject in subjects} == set(symbols[:2])
    assert (watching.size, watching.tally.refused) == (2, 3)
    for other in (liquidation(0, 5e6, symbol="E-USDT"), metric(0, "fear_greed", 5.0)):
        assert watching.take(other) == []
    assert watching.take(minute(0, 1.0)) == watching.take(funding(0, 1.0)) == watching.take(interest(0, base=1.0)) == []
    assert (watching.size, watching.tally.refused) == (2, 8)
    assert watching.take(trade(1, 2e6, symbol=symbols[0]))


@pytest.mark.parametrize(
    "make",
    [
        lambda at: trade(at, 1e6),
        lambda at: liquidation(at, 1e6),
        lambda at: funding(at, 1e-4),
        lambda at: interest(at, base=1.0),
        lambda at: metric(at, "fear_greed", 5.0),
    ],
)
def test_a_clock_that_is_wrong_does_not_move_the_windows(make):
    watching, honest = Watching(), make(0)
    wrong = msgspec.structs.replace(make(100), received_ns=honest.event_ns + 39 * 10**9)
    right = msgspec.structs.replace(make(100), received_ns=honest.event_ns + 40 * 10**9)
    assert watching.take(wrong) == []
    assert watching.tally.ahead == 1
    assert bool(watching.take(right)) is (make(0).__class__.__name__ != "OpenInterest")
    assert watching.tally.ahead == 1


def test_a_wrong_clock_does_not_let_the_time_of_a_burst_pass():
    watching = Watching()
    watching.take(liquidation(0, 1e6))
    for wrong in (trade(1e6, 5.0), MarkPrice(**market(1e6, BTC, "okx"), price=1.0)):
        received_ns = market(1, BTC, "okx")["event_ns"]
        assert watching.take(msgspec.structs.replace(wrong, received_ns=received_ns)) == []
    (subject,) = watching.take(trade(30, 5.0))
    assert subject.at_ns == market(30, BTC, "okx")["event_ns"]
    assert watching.tally.ahead == 2


def test_a_bar_from_the_future_is_no_closed_one():
    watching = Watching()
    watching.take(minute(0, 1.0, known_after_s=-61))
    watching.take(minute(0, 1.0, known_after_s=-60))
    spikes = watching.markets["okx"][BTC].spikes
    assert spikes is not None
    assert (watching.tally.ahead, spikes.closes) == (1, [1.0])


def test_the_same_symbol_of_two_venues_is_two_markets():
    watching = Watching()
    watching.take(liquidation(0, 5e6, venue="okx"))
    (subject,) = watching.take(liquidation(1, 3e6, venue="bybit"))
    assert subject.facts["liq_usd_30s"] == 3e6
    assert watching.size == 2


sides = st.sampled_from([(LONG, BUY), (SHORT, SELL)])
moments = st.integers(0, 90)
dollars = st.sampled_from([5e3, 1e4, 6e4, 6e5, 2.5e6])
some_events = st.lists(
    st.one_of(
        st.builds(lambda at, usd, side: liquidation(at, usd, side[0]), moments, dollars, sides),
        st.builds(lambda at, usd, side: trade(at, usd, side[1]), moments, dollars, sides),
        st.builds(lambda at, rate: funding(at, rate / 1e4), moments, st.integers(-3, 3)),
        st.builds(lambda at, base: interest(at, base=float(base)), moments, st.integers(1, 3)),
        st.builds(lambda number, close: minute(number, float(close)), st.integers(0, 9), st.integers(1, 3)),
        st.builds(lambda at: MarkPrice(**market(at, BTC, "okx"), price=1.0), moments),
        st.builds(lambda at, value: metric(at, "whale_long_opened", float(value)), moments, st.integers(1, 3)),
    ),
    max_size=50,
)


@given(some_events, st.integers(0, 50))
@settings(max_examples=60)
def test_a_state_that_is_dumped_and_read_goes_on_as_if_it_were_not(events, place):
    straight, first = Watching(), Watching()
    expected = told(events, straight)
    begun = told(events[:place], first)
    for coder in (msgspec.json, msgspec.msgpack):
        second = coder.decode(coder.encode(first), type=Watching)
        assert second == first
        assert begun + told(events[place:], second) == expected
        assert coder.encode(second) == coder.encode(straight)


@given(some_events)
@settings(max_examples=60)
def test_events_of_equal_time_end_in_the_same_sums_whatever_their_order(events):
    at_once = [event for event in events if isinstance(event, Trade) or type(event).__name__ == "Liquidation"]
    at_once = [msgspec.structs.replace(event, event_ns=market(0, BTC, "okx")["event_ns"]) for event in at_once]
    one, other = Watching(), Watching()
    told(at_once, one)
    told(reversed(at_once), other)
    for watching in (one, other):
        for found in watching.markets.get("okx", {}).values():
            found.burst.told.sums = []  # what was told last in between may differ
            found.burst.told.peaks = []
            found.burst.told.flags = []
            found.burst.due_ns = 0
            found.burst.prints.ids.young = dict.fromkeys(sorted(found.burst.prints.ids.young))
    assert one.markets == other.markets


@given(some_events)
@settings(max_examples=60)
def test_a_key_is_told_once_a_second_but_for_what_crosses(events):
    """Of one second and key: flags differ, or a peak or a sum exceeds the one that was told before."""
    last: dict[str, Any] = {}
    for subject in told(sorted(events, key=lambda event: event.event_ns)):
        if subject.kind is not Kind.LIQUIDATION:
            continue
        before = last.get(subject.key)
        last[subject.key] = subject
        if before is None or before.at_ns // 10**9 != subject.at_ns // 10**9:
            continue
        flags = [name for name in ("storm", "cluster", "radar_alarm") if name in subject.facts]
        grows = [
            name
            for name, value in subject.facts.items()
            if isinstance(value, float) and value >= 1.05 * before.facts.get(name, 0.0) and value > 0
        ]
        peak = subject.facts.get("liq_single_usd", 0.0) > before.facts.get("liq_single_usd", 0.0)
        assert grows or peak or any(subject.facts[name] is not before.facts.get(name) for name in flags)


@pytest.mark.recordings
def test_a_recorded_session_is_told_rarely_and_twice_the_same(recordings):
    """Six minutes of Binance's BTC perpetual: 21,313 trades, about two subjects a second."""
    names = ["raw/binance_usdm/2024-08-08_btcusdt.gz"]
    events = [
        event
        for event in Normalizer("binance-usdm", [recordings / name for name in names]).run()
        if isinstance(event, Trade | MarkPrice | Gap | Outcome)
    ]
    trades = [event for event in events if isinstance(event, Trade)]
    watching = Watching()
    subjects = told(events, watching)
    seconds = (trades[-1].event_ns - trades[0].event_ns) / 1e9
    assert len(trades) == 21_313
    assert 300 < len(subjects) < 2.5 * seconds
    whales = [subject for subject in subjects if subject.kind is Kind.WHALE]
    assert max(subject.facts["print_usd"] for subject in whales) == pytest.approx(
        max(event.price * event.size for event in trades), abs=1e-6
    )
    again = Watching()
    assert told(chain(events), again) == subjects
    assert again == watching
    assert told(events, again) != subjects  # it remembers
    assert again.tally.repeated + again.tally.late > 0


@pytest.mark.recordings
def test_the_shipped_rules_on_large_trades_fire_and_end_in_a_recorded_session(recordings):
    """The same six minutes: six trades of a million dollars, and clusters that come and go on a market never quiet."""
    path = recordings / "raw/binance_usdm/2024-08-08_btcusdt.gz"
    trades = [event for event in Normalizer("binance-usdm", [path]).run() if isinstance(event, Trade)]
    subjects = told(trades)
    fired: dict[str, list[State]] = {}
    for name in ("whale_majors", "cluster_majors", "storm_majors", "whale_mid"):
        template, states, fired[name] = TEMPLATES[name], dict[str, State](), []
        condition = compile_condition(template.condition, template.kind)
        until = compile_condition(template.until, template.kind) if template.until else None
        for subject in subjects:
            if subject.kind is template.kind:
                holds = condition.holds(subject.facts)
                ends = ending(holds=holds) if until is None else until.holds(subject.facts)
                before = states.get(subject.key, State())
                states[subject.key], fires = step(before, holds=holds, ends=ends, at_ns=subject.at_ns, for_ns=0)
                fired[name] += [states[subject.key]] if fires else []
    assert len(fired["whale_majors"]) == sum(event.price * event.size >= 1_000_000 for event in trades) == 6
    assert 2 <= len(fired["cluster_majors"]) <= 10
    assert fired["storm_majors"] == fired["whale_mid"] == []
