"""Outcomes show in the messages about their signals, in whatever order things happen; on real PostgreSQL."""

import random
from itertools import count

import msgspec
import pytest
from aiokafka import TopicPartition

from libs.common.bus.codec import encode
from libs.common.events import (
    Barrier,
    Decision,
    Delivery,
    DeliveryState,
    Direction,
    Label,
    Origin,
    Outcome,
    Signal,
    Timeframe,
    Verdict,
)
from services.alerts.admission import told_of
from services.alerts.policy.budget import Limits
from services.alerts.policy.pace import Pace
from services.alerts.store import lives
from services.alerts.store.outbox import Outbox
from services.alerts.store.rows import Placed
from services.alerts.watching.asking import Found
from services.alerts.watching.store import Rows, WatchStore

S = 1_000_000_000
MINUTE = 60 * S
START = 1_763_715_600 * S  # 2025-11-21 09:00:00 UTC
FREE = Pace(chat_interval_s=0, group_per_minute=10_000, overall_per_s=10_000)
TARGET = "TARGET 2025-11-21 09:04:00 UTC: +1.50 R after fees"


def verdict(name, minute, direction=Direction.LONG, symbol="BTC-USDT-PERP"):
    at_ns = START + minute * MINUTE
    signal = Signal(
        venue="okx",
        symbol=symbol,
        origin=Origin.SIMULATED,
        signal_id=name,
        timeframe=Timeframe.M15,
        as_of_ns=at_ns,
        known_at_ns=at_ns,
        direction=direction,
        label=Label.BUY if direction is Direction.LONG else Label.SELL,
        score=0.5 * direction.sign,
        confidence=0.7,
        price=100.0,
        contributions=(),
    )
    return Verdict(
        venue=signal.venue,
        symbol=symbol,
        origin=signal.origin,
        signal=signal,
        decision=Decision.PUBLISH,
        rationale="",
        judge="rules",
        decided_ns=at_ns,
    )


def outcome(name, barrier, minute=4, r_multiple=1.5):
    return Outcome(
        venue="okx",
        symbol="BTC-USDT-PERP",
        origin=Origin.SIMULATED,
        signal_id=name,
        timeframe=Timeframe.M15,
        resolved_ns=START + minute * MINUTE,
        barrier=barrier,
        r_multiple=r_multiple,
        mfe=None,
        mae=None,
    )


class Play:
    """Verdicts and outcomes in; every message as it stands at its reader's out."""

    def __init__(self, pool, make_entry):
        self.outbox = Outbox(pool, {"telegram": FREE}, limits={"telegram": Limits(per_h=0)})
        self.pool = pool
        self.make_entry = make_entry
        self.numbers = count()
        self.stands: dict[str, str] = {}
        """By message id."""

    async def judge(self, one, *rules, now_ns=None):
        entries = [
            self.make_entry(
                f"{rule}:{one.signal.signal_id}",
                rule_id=rule,
                signal_id=one.signal.signal_id,
                symbol=one.symbol,
                created_ns=one.decided_ns,
            )
            for rule in rules
        ]
        placed = Placed(partition=0, offset=next(self.numbers), entries=entries, told=told_of(one))
        await self.outbox.take("signals.verdicts.v1", [placed], now_ns or one.decided_ns)

    async def resolve(self, one, now_ns=None):
        async with self.pool.acquire() as connection, connection.transaction():
            await lives.resolve(connection, one, now_ns or one.resolved_ns)

    async def send(self, now_ns):
        """Send all that waits; return (message id that is changed or None, text) of each."""
        done = []
        while claims := await self.outbox.claim("telegram", now_ns, lease_ns=S, limit=100):
            for claim in claims:
                message_id = claim.edits_message_id or str(next(self.numbers))
                self.stands[message_id] = claim.text
                done.append((claim.edits_message_id, claim.text))
                await self.outbox.settle(claim, DeliveryState.DELIVERED, now_ns, message_id=message_id)
        return done

    async def step(self, now_ns):
        await self.outbox.step(now_ns)
        return await self.send(now_ns)

    async def told(self, name):
        await self.judge(verdict(name, 0), "r")
        await self.send(START)


@pytest.fixture
def play(pool, make_entry):
    return Play(pool, make_entry)


@pytest.mark.parametrize(
    ("barrier", "r_multiple", "words"),
    [(Barrier.TARGET, 1.5, TARGET), (Barrier.STOP, -1.04, "STOP 2025-11-21 09:04:00 UTC: -1.04 R after fees")],
)
async def test_a_target_or_a_stop_changes_the_message_and_is_told_anew(play, barrier, r_multiple, words):
    await play.told("a")
    await play.resolve(outcome("a", barrier, r_multiple=r_multiple))
    told = dict(await play.step(START + 4 * MINUTE))
    assert told.pop(None).splitlines() == [
        "SIMULATED: invented prices",
        words,
        "▲ BUY BTC-USDT-PERP (long)",
        "okx, 15m bars, of 2025-11-21 09:00:00 UTC",
        "Signal a",
    ]
    assert list(told.values()) == [f"{words}\nr:a"]  # what was told stays as it was told
    rows = await play.pool.fetch("SELECT headline, severity, kind FROM alerts.outbox WHERE alert_id <> 'r:a'")
    assert {tuple(row) for row in rows} == {
        (f"{barrier.upper()} ▲ BUY BTC-USDT-PERP 15m", "info", "signal"),
        (f"{barrier.upper()} ▲ BUY BTC-USDT-PERP 15m", "warning", "signal"),
    }
    await play.resolve(outcome("a", barrier, r_multiple=r_multiple))
    assert await play.step(START + 5 * MINUTE) == []
    assert await play.step(START + 99 * MINUTE) == []  # it does not expire as well


@pytest.mark.parametrize("barrier", [Barrier.EXPIRY, Barrier.UNRESOLVED])
async def test_other_outcomes_change_the_message_without_a_sound(play, barrier):
    await play.told("a")
    await play.resolve(outcome("a", barrier, 15, -0.2))
    ((message, text),) = await play.step(START + 15 * MINUTE)
    assert message is not None
    assert (
        text.splitlines()[0]
        == {
            Barrier.EXPIRY: "EXPIRED 2025-11-21 09:15:00 UTC: its time is over, -0.20 R after fees",
            Barrier.UNRESOLVED: "UNRESOLVED 2025-11-21 09:15:00 UTC: what became of it cannot be told",
        }[barrier]
    )


@pytest.mark.parametrize("before", ["invalidated", "expired"])
async def test_what_was_over_already_resolves_without_a_sound(play, before):
    await play.told("a")
    if before == "invalidated":
        await play.judge(verdict("b", 3, Direction.SHORT))
        assert len(await play.step(START + 3 * MINUTE)) == 2
    else:
        assert len(await play.step(START + 15 * MINUTE)) == 1
    await play.resolve(outcome("a", Barrier.TARGET), START + 16 * MINUTE)
    ((message, text),) = await play.step(START + 16 * MINUTE)
    assert message is not None
    assert text == f"{TARGET}\nr:a"
    standing = [text for text in play.stands.values() if "INVALIDATED" in text]
    assert len(standing) == (before == "invalidated")  # the notice tells of its moment, and stays


async def test_who_was_told_by_two_rules_is_told_of_the_end_once(play):
    await play.judge(verdict("a", 0), "r1", "r2")
    await play.send(START)
    await play.resolve(outcome("a", Barrier.STOP))
    told = await play.step(START + 4 * MINUTE)
    assert sorted(message is None for message, _ in told) == [False, False, True]


async def test_an_outage_of_the_channel_delays_the_last_word_but_a_stale_notice_is_not_sent(play):
    await play.told("a")
    await play.resolve(outcome("a", Barrier.STOP))
    await play.outbox.step(START + 4 * MINUTE)
    await play.outbox.sweep(START + 400 * MINUTE)
    told = await play.send(START + 400 * MINUTE)
    assert [text.split(" ")[0] for message, text in told if message is not None] == ["STOP"]
    assert [text for message, text in told if message is None and "STOP" in text] == []


async def test_an_outcome_that_is_read_before_its_verdict_waits_for_it(play):
    one = outcome("a", Barrier.STOP)
    await play.pool.execute("INSERT INTO alerts.outcomes VALUES ($1, $2, $3)", "a", one.resolved_ns, encode(one))
    await play.resolve(one)
    await play.judge(verdict("a", 0), "r", now_ns=START + 5 * MINUTE)
    row = await play.pool.fetchrow("SELECT step, barrier, r_multiple FROM alerts.signals")
    assert tuple(row) == ("stop", "stop", 1.5)
    row = await play.pool.fetchrow("SELECT state, reason FROM alerts.outbox")
    assert tuple(row) == ("expired", "its signal had met its stop before it was sent")


async def test_what_was_not_sent_yet_is_not_sent_after_its_end_and_that_is_published(play):
    await play.judge(verdict("a", 0), "r")
    await play.resolve(outcome("a", Barrier.TARGET))
    assert await play.step(START + 5 * MINUTE) == []
    published = [
        msgspec.json.decode(row["event"], type=Delivery)
        for row in await play.pool.fetch("SELECT event FROM alerts.announcements")
    ]
    assert [(one.alert_id, one.state, one.reason) for one in published] == [
        ("r:a", "expired", "its signal had met a target before it was sent")
    ]


async def test_digests_answers_and_other_alerts_about_a_signal_keep_their_words(play, make_entry):
    await play.judge(verdict("a", 0), "r")
    await play.send(START)
    for kind in ("answer", "digest", "outcome"):
        entry = make_entry(kind, rule_id="r", signal_id="a", recipient="1002", created_ns=START)
        await play.outbox.enqueue([entry], START)
        await play.pool.execute("UPDATE alerts.outbox SET kind = $1 WHERE alert_id = $1", kind)
    await play.judge(verdict("b", 1, Direction.SHORT))
    texts = [text for _, text in await play.step(START + MINUTE)]
    assert {"answer", "digest", "outcome"} <= set(texts)  # not held to be out of date
    assert sum("INVALIDATED" in text for text in texts) == 2
    assert await play.step(START + 2 * MINUTE) == []  # nor changed, now that they are delivered


async def test_hearing_of_the_other_signal_means_its_own_message(play, make_entry):
    await play.told("a")
    await play.judge(verdict("b", 1, Direction.SHORT))
    await play.outbox.enqueue([make_entry("x", rule_id="r", signal_id="b", recipient="1002")], START)
    await play.pool.execute("UPDATE alerts.outbox SET kind = 'answer' WHERE alert_id = 'x'")
    texts = [text for _, text in await play.step(START + MINUTE)]
    assert sum("INVALIDATED" in text for text in texts) == 2


async def test_an_impossible_time_is_refused(play):
    await play.told("a")
    with pytest.raises(ValueError, match="out of the calendar"):
        await play.resolve(outcome("a", Barrier.STOP, minute=2**40))


async def test_whoever_reads_outcomes_moves_lives_with_its_offsets(play):
    await play.told("a")
    store, part = WatchStore(play.pool, play.outbox), TopicPartition("signals.outcomes.v1", 0)
    await store.settle_places({part: 7})
    for _ in range(2):  # the second time its answer was lost
        rows = Rows(outcomes=[outcome("a", Barrier.TARGET)])
        await store.keep({part: 8}, {part: 7}, Found(), rows, START + 4 * MINUTE)
    assert len(await play.step(START + 4 * MINUTE)) == 2
    assert await play.step(START + 5 * MINUTE) == []


STEPS = ["new", "updated", "expired", "invalidated", "target", "stop"]


class Course:
    """What happens to one signal, in one order, with or without looking in between; time goes forward."""

    def __init__(self, play, number, chance):
        self.play, self.number, self.name = play, number, f"a{number}"
        self.symbol = f"C{number}-USDT-PERP"
        self.barrier = chance.choice(list(Barrier))
        self.now_ns = START
        self.seen = [0]

    async def happen(self, what):
        self.now_ns = max(self.now_ns, START + {"expired": 20, "outcome": 4}.get(what, 6) * MINUTE)
        match what:
            case "updated":
                await self.play.judge(verdict(f"b{self.number}", 5, symbol=self.symbol), now_ns=self.now_ns)
            case "invalidated":
                short = verdict(f"c{self.number}", 6, Direction.SHORT, self.symbol)
                await self.play.judge(short, now_ns=self.now_ns)
            case "expired":
                await self.play.outbox.step(self.now_ns)
            case "outcome":
                await self.play.resolve(outcome(self.name, self.barrier), self.now_ns)
        self.seen.append(STEPS.index(await self.step()))

    async def step(self):
        return await self.play.pool.fetchval("SELECT step FROM alerts.signals WHERE signal_id = $1", self.name)

    def last(self, happened):
        """Return the step that must stand at the end, from the events alone."""
        of_outcome = self.barrier.value if self.barrier in {Barrier.TARGET, Barrier.STOP} else "expired"
        return max(["expired", *(of_outcome if one == "outcome" else one for one in happened)], key=STEPS.index)

    def shown(self):
        """Return how the message about the signal begins at its reader's, and how often they were told anew."""
        own = [text for text in self.play.stands.values() if text.endswith(f"r:{self.name}")]
        anew = [text for text in self.play.stands.values() if text.endswith(f"Signal {self.name}")]
        return [text.split(" ")[0] for text in own], len(anew)


@pytest.mark.parametrize("seed", range(3))
async def test_the_last_word_is_the_same_whenever_what_happens_and_whenever_it_is_told(play, seed):
    chance = random.Random(seed)  # repeatable orders
    for number in range(12):
        course = Course(play, number, chance)
        await play.judge(verdict(course.name, 0, symbol=course.symbol), "r")
        happened = [one for one in ("updated", "invalidated", "expired", "outcome") if chance.random() < 0.7]
        chance.shuffle(happened)
        if early := chance.random() < 0.5:
            await play.send(START)
        for what in happened:
            await course.happen(what)
            if chance.random() < 0.5:
                await play.step(course.now_ns)
        assert course.seen == sorted(course.seen)
        for minute in (20, 21):  # a message that left late is changed afterwards
            await play.step(max(course.now_ns, START + minute * MINUTE))
        last = course.last(happened)
        assert await course.step() == last
        words, anew = course.shown()
        unresolved = last == "expired" and "outcome" in happened and course.barrier is Barrier.UNRESOLVED
        assert words == ["UNRESOLVED" if unresolved else last.upper()] or (words == [] and not early)
        assert anew <= 1


async def test_a_change_that_waits_gives_way_to_a_newer_one(play):
    await play.told("a")
    await play.judge(verdict("b", 3))
    await play.outbox.step(START + 5 * MINUTE)
    await play.resolve(outcome("a", Barrier.TARGET))
    assert dict(await play.step(START + 4 * MINUTE)).keys() == {None, "1"}  # by a clock that is behind
    assert play.stands["1"].startswith("TARGET")
    row = await play.pool.fetchrow(
        "SELECT state, reason FROM alerts.outbox WHERE edits IS NOT NULL AND state = 'expired'"
    )
    assert tuple(row) == ("expired", "a newer change of the same message tells more")
