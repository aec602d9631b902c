"""Which topics of a connection are stalled, how soon, and what is tried: on a clock of our own, without a socket."""

import random
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.ingest.sockets.habits import Habits
from services.ingest.sockets.silence import Cause, Outcome, Silence, Stall
from services.ingest.venues.terms import Plan, Stream

SYMBOLS = ("BTC-USDT", "ETH-USDT", "SOL-USDT", "XRP-USDT")
BOOKS, TRADES = Stream.BOOKS, Stream.TRADES
STEP_S = 0.5
"""How often a connection judges."""


class Ear:
    """One venue, its connections one after the other, and a clock that all share."""

    def __init__(
        self,
        symbols: Iterable[str] = SYMBOLS,
        streams: Iterable[Stream] = (BOOKS, TRADES),
        *,
        alone: bool = True,
        first_data_s: float = 60,
    ) -> None:
        self.plan = Plan(url="wss://x", symbols=tuple(symbols), streams=tuple(streams))
        self.habits = Habits()
        self.now = 0.0
        self.began = 0.0
        self.stalls: list[tuple[float, Stall]] = []
        self.fetching: set[str] = set()
        self._alone = alone
        self._first_data_s = first_data_s
        self.connect()

    def connect(self) -> None:
        self.began = self.now
        self.silence = Silence(
            self.plan,
            self.habits,
            self._first_data_s,
            frames=lambda symbol, stream: (f"{symbol} {stream}".encode(),) if self._alone else (),
            resyncing=lambda symbol: symbol in self.fetching,
        )

    def say(self, symbol: str, stream: Stream, event_ns: int | None = None) -> bool:
        at = self.now - self.began
        ns = round(self.now * 1e9)
        return self.silence.spoke(stream, symbol, at, ns if event_ns is None else event_ns, ns)

    def listen(self, seconds: float, every: dict[tuple[str, Stream], float]) -> None:
        """Pass time; each topic of `every` speaks so often."""
        until = self.now + seconds
        due = {topic: self.now + gap for topic, gap in every.items()}
        judged = self.now + STEP_S
        while (at := min([judged, until, *due.values()])) < until:
            self.now = at
            for topic, when in due.items():
                if when <= at:
                    self.say(*topic)
                    due[topic] = when + every[topic]
            if judged <= at:
                self.judge()
                judged += STEP_S
        self.now = until

    def judge(self) -> list[Stall]:
        found = self.silence.judge(self.now, self.now - self.began)
        self.stalls += [(self.now, stall) for stall in found]
        return found

    def outcomes(self, symbol: str, stream: Stream) -> list[str]:
        return [stall.outcome.value for _, stall in self.stalls if (stall.symbol, stall.stream) == (symbol, stream)]


ALL = {(symbol, stream): 0.2 for symbol in SYMBOLS for stream in (BOOKS, TRADES)}


def without(*silent: tuple[str, Stream]) -> dict[tuple[str, Stream], float]:
    return {topic: gap for topic, gap in ALL.items() if topic not in silent}


def test_one_silent_topic_among_others_is_flagged_and_its_connection_made_anew_within_ten_seconds() -> None:
    ear = Ear()
    ear.listen(120, ALL)
    assert ear.stalls == []
    ear.listen(20, without(("ETH-USDT", TRADES)))
    (flagged_at, flagged), (recycled_at, recycled) = ear.stalls
    assert (flagged.symbol, flagged.stream, flagged.cause) == ("ETH-USDT", TRADES, Cause.QUIET)
    assert (flagged.outcome, flagged.frames) == (Outcome.RESUBSCRIBED, (b"ETH-USDT trades",))
    assert flagged_at - 120 <= 2 + STEP_S + 0.2
    assert flagged.heard_ns == pytest.approx(120e9, abs=0.3e9)
    assert recycled.outcome is Outcome.RECYCLED
    assert recycled_at - flagged_at <= 10
    assert ear.silence.recycling
    assert ear.habits.silent == {("ETH-USDT", TRADES)}


def test_a_topic_that_speaks_after_its_new_subscription_keeps_the_connection() -> None:
    ear = Ear()
    ear.listen(120, ALL)
    ear.listen(3, without(("ETH-USDT", TRADES)))
    assert ear.say("ETH-USDT", TRADES)  # that ends the stall
    ear.listen(60, ALL)
    assert [stall.outcome for _, stall in ear.stalls] == [Outcome.RESUBSCRIBED]
    assert ear.habits.silent == frozenset()


def test_where_no_topic_can_be_asked_for_alone_the_connection_is_made_anew_at_once() -> None:
    ear = Ear(alone=False)
    ear.listen(120, ALL)
    ear.listen(20, without(("ETH-USDT", BOOKS)))
    assert ear.outcomes("ETH-USDT", BOOKS) == ["recycled"]


def test_when_most_topics_are_silent_the_connection_is_to_blame() -> None:
    ear = Ear()
    ear.listen(120, ALL)
    ear.listen(20, {("BTC-USDT", BOOKS): 0.2})  # heartbeats, and one book
    assert {stall.outcome for _, stall in ear.stalls} <= {Outcome.RECYCLED, Outcome.FLAGGED}
    assert [at for at, stall in ear.stalls if stall.outcome is Outcome.RECYCLED][-1] <= 123
    assert len(ear.habits.silent) == 7


def test_a_market_that_is_halted_costs_its_neighbours_one_connection_and_no_more() -> None:
    ear = Ear()
    dead = {("XRP-USDT", BOOKS), ("XRP-USDT", TRADES)}
    ear.listen(120, ALL)
    connections = 1
    for _ in range(2 * 60):  # two hours
        ear.listen(60, without(*dead))
        if ear.silence.recycling:
            ear.connect()
            connections += 1
    assert connections == 2
    assert ear.habits.silent == {("XRP-USDT", BOOKS), ("XRP-USDT", TRADES)}
    ear.say("XRP-USDT", BOOKS)
    assert ear.habits.silent == {("XRP-USDT", TRADES)}


def test_a_halted_market_whose_book_comes_with_each_subscription_is_learned() -> None:
    ear = Ear(alone=False)
    ear.listen(120, ALL)
    connections = 1
    for _ in range(4 * 3600 // 5):
        ear.listen(5, without(("XRP-USDT", BOOKS)))
        if ear.silence.recycling:
            ear.connect()
            connections += 1
            for symbol in SYMBOLS:
                ear.say(symbol, BOOKS)
    assert connections <= 8


@pytest.mark.parametrize("mean_s", [0.05, 0.5, 3.0, 30.0, 300.0])
def test_a_day_of_chance_alone_is_no_storm(mean_s: float) -> None:
    """Trades of independent buyers come with exponential gaps: a silence of three 99ths is one gap in a million."""
    ear = Ear(["BTC-USDT"], [TRADES])
    chance = random.Random(20261121)
    day = min(86_400.0, 60_000 * mean_s)
    judged = 0.0
    while ear.now < day:
        gap = chance.expovariate(1 / mean_s)
        until = ear.now + gap
        while judged < until:
            ear.now = judged
            ear.judge()
            judged += STEP_S
        ear.now = until
        ear.say("BTC-USDT", TRADES)
        ear.silence.recycling = False
    assert len(ear.stalls) <= 2


def test_a_market_of_bursts_and_pauses_does_not_renew_its_connection_for_ever() -> None:
    """Bursts of trades, then pauses with a heavy tail: the pace explains them before long, the remedies end at once."""
    ear = Ear(["BTC-USDT", "ETH-USDT"], [TRADES])
    chance = random.Random(4)
    recycled = 0
    for _ in range(2_000):
        burst = {("BTC-USDT", TRADES): 0.05, ("ETH-USDT", TRADES): 0.3}
        ear.listen(chance.uniform(0.5, 10), burst)
        ear.listen(min(chance.paretovariate(1.0), 120), {("ETH-USDT", TRADES): 0.3})
        if ear.silence.recycling:
            recycled += 1
            ear.connect()
    hours = ear.now / 3600
    assert hours > 3
    assert recycled <= 4 + 1.2 * hours


def test_frames_that_repeat_one_time_of_the_venue_are_no_news() -> None:
    ear = Ear(["BTC-USDT"])
    ear.listen(120, {("BTC-USDT", BOOKS): 0.2, ("BTC-USDT", TRADES): 0.2})
    frozen = round(ear.now * 1e9)
    flagged = 0.0
    while not flagged and ear.now < 140:
        ear.now += 0.1
        ear.say("BTC-USDT", BOOKS, frozen)
        ear.say("BTC-USDT", TRADES)
        if any(stall.cause is Cause.FROZEN for stall in ear.judge()):
            flagged = ear.now
    assert 0 < flagged - 120 <= 5
    assert ear.habits.silent == {("BTC-USDT", BOOKS)}
    assert not ear.say("BTC-USDT", BOOKS, frozen)
    assert ear.say("BTC-USDT", BOOKS, frozen + 1)
    assert ear.habits.silent == frozenset()


def test_a_book_that_is_being_fetched_has_nothing_to_say() -> None:
    ear = Ear()
    ear.listen(120, ALL)
    ear.silence.lost("SOL-USDT", ear.now)
    ear.fetching.add("SOL-USDT")
    ear.listen(300, without(("SOL-USDT", BOOKS)))  # the venue's REST side has banned us for minutes
    assert ear.stalls == []
    ear.fetching.clear()
    ear.listen(62, without(("SOL-USDT", BOOKS)))
    assert ear.outcomes("SOL-USDT", BOOKS) == ["resubscribed"]


def test_each_book_and_each_tape_owes_a_first_datum_after_the_subscription() -> None:
    ear = Ear(first_data_s=10)
    ear.listen(40, without(("SOL-USDT", BOOKS)))
    (asked_at, asked), (recycled_at, recycled) = ear.stalls
    assert (asked.symbol, asked.cause, asked.outcome) == ("SOL-USDT", Cause.FIRST_DATA, Outcome.RESUBSCRIBED)
    assert asked_at == pytest.approx(10, abs=STEP_S)
    assert (recycled.symbol, recycled.outcome) == ("SOL-USDT", Outcome.RECYCLED)
    assert recycled_at == pytest.approx(20, abs=2 * STEP_S)
    ear.connect()
    ear.listen(600, without(("SOL-USDT", BOOKS)))
    assert ear.outcomes("SOL-USDT", BOOKS) == ["resubscribed", "recycled", "flagged"]


def test_a_connection_that_says_nothing_at_all_is_given_up() -> None:
    ear = Ear(first_data_s=10)
    assert not ear.silence.given_up(9.9)
    assert ear.silence.given_up(10)
    ear.say("BTC-USDT", BOOKS)
    assert not ear.silence.given_up(10)


def test_liquidations_owe_nothing() -> None:
    ear = Ear(streams=(Stream.LIQUIDATIONS,))
    for _ in range(200):
        ear.now += 0.6
        ear.say("BTC-USDT", Stream.LIQUIDATIONS)
    ear.listen(7200, {})
    assert ear.stalls == []
    assert not ear.silence.given_up(7200)


def test_a_word_that_makes_no_event_is_a_word() -> None:
    ear = Ear(["BTC-USDT"])
    ear.listen(120, {("BTC-USDT", BOOKS): 0.2, ("BTC-USDT", TRADES): 0.2})
    for number in range(200):
        ear.now += 0.1
        ear.silence.alive(TRADES, "BTC-USDT" if number % 2 else None, ear.now)
        ear.say("BTC-USDT", BOOKS)
        assert ear.judge() == []


@settings(max_examples=60, deadline=None)
@given(mean_s=st.floats(0.02, 8), shape=st.floats(0.7, 4), seed=st.integers(0, 2**20))
def test_a_stall_is_flagged_within_three_of_its_own_99ths(mean_s: float, shape: float, seed: int) -> None:
    """Between 2 s and 30 s, whatever the pace; its 99th is numpy's, of the longest gap in each half second."""
    chance = random.Random(seed)
    ear = Ear(["BTC-USDT"], [TRADES])
    ear.say("BTC-USDT", TRADES)
    gaps: list[float] = []
    longest = slot = 0.0
    while len(gaps) < 400:
        gap = chance.gammavariate(shape, mean_s / shape)
        ear.now += gap
        ear.say("BTC-USDT", TRADES)
        longest = max(longest, gap)
        if ear.now >= slot:
            gaps.append(longest)
            slot, longest = ear.now + 0.5, 0.0
    p99, middle = (float(np.quantile(gaps, share, method="inverted_cdf")) for share in (0.99, 0.5))
    stopped, edge = ear.now, 2 ** (1 / 8)
    while not ear.stalls and ear.now - stopped < 400:
        ear.now += STEP_S
        ear.judge()
    if p99 * edge > 60:
        return
    bound = max(2.0, 3 * p99 * edge)
    if p99 * edge <= 30 and middle * edge <= 1:
        bound = min(bound, 30.0)
    assert ear.now - stopped <= bound + STEP_S
