"""What becomes of a signal shows in its message, whenever who knows what; on real PostgreSQL, in virtual time."""

import pytest

from libs.common.bus.codec import encode
from libs.common.events import (
    Decision,
    DeliveryState,
    Direction,
    Label,
    Origin,
    Severity,
    Signal,
    Timeframe,
    Verdict,
)
from services.alerts.admission import told_of
from services.alerts.policy.budget import Limits
from services.alerts.policy.pace import Pace
from services.alerts.store.outbox import Outbox
from services.alerts.store.rows import Placed

UNBOUND = {"telegram": Limits(per_h=0)}

S = 1_000_000_000
MINUTE = 60 * S
START = 1_763_715_600 * S  # 2025-11-21 09:00:00 UTC
TOPIC = "signals.verdicts.v1"
FREE = Pace(chat_interval_s=0, group_per_minute=10_000, overall_per_s=10_000)


def verdict(name, minute, direction=Direction.LONG, decision=Decision.PUBLISH, **changes):
    at_ns = START + minute * MINUTE
    fields = {
        "signal_id": name,
        "timeframe": Timeframe.M15,
        "as_of_ns": at_ns,
        "known_at_ns": at_ns,
        "direction": direction,
        "label": Label.BUY if direction is Direction.LONG else Label.SELL,
        "score": 0.5 * direction.sign,
        "confidence": 0.7,
        "price": 100.0,
        "contributions": (),
        "venue": "okx",
        "symbol": "BTC-USDT-PERP",
        "origin": Origin.SIMULATED,
    }
    signal = Signal(**{**fields, **changes})
    return Verdict(
        venue=signal.venue,
        symbol=signal.symbol,
        origin=signal.origin,
        signal=signal,
        decision=decision,
        rationale="",
        judge="rules",
        decided_ns=at_ns,
    )


class Play:
    """Verdicts in, in order; what is sent and edited out."""

    def __init__(self, pool, make_entry):
        self.outbox = Outbox(pool, {"telegram": FREE}, limits=UNBOUND)
        self.pool = pool
        self.make_entry = make_entry
        self.offset = 0
        self.messages = 0

    async def judge(self, one, *rules, now_ns=None, severity=Severity.WARNING):
        """Take a verdict that `rules` want."""
        entries = [
            self.make_entry(
                f"{rule}:{one.signal.signal_id}",
                rule_id=rule,
                signal_id=one.signal.signal_id,
                severity=severity,
                symbol=one.symbol,
                created_ns=one.decided_ns,
            )
            for rule in rules
        ]
        placed = Placed(partition=0, offset=self.offset, entries=entries, told=told_of(one))
        self.offset += 1
        await self.outbox.take(TOPIC, [placed], now_ns or one.decided_ns)

    async def send(self, now_ns):
        """Send all that waits; return (message id that is changed or None, first line, urgency)."""
        done = []
        while claims := await self.outbox.claim("telegram", now_ns, lease_ns=S, limit=100):
            for claim in claims:
                self.messages += 1
                done.append((claim.edits_message_id, claim.text.split("\n")[0], claim.severity))
                message_id = claim.edits_message_id or str(self.messages)
                await self.outbox.settle(claim, DeliveryState.DELIVERED, now_ns, message_id=message_id)
        return done

    async def step(self, now_ns):
        await self.outbox.step(now_ns)
        return await self.send(now_ns)

    async def life(self, name):
        row = await self.pool.fetchrow("SELECT step, version, by_signal FROM alerts.signals WHERE signal_id = $1", name)
        return None if row is None else tuple(row)


@pytest.fixture
def play(pool, make_entry):
    return Play(pool, make_entry)


async def test_a_later_signal_of_the_same_direction_updates_the_message_once(play):
    await play.judge(verdict("a", 0, timeframe=Timeframe.H4), "r")
    assert await play.send(START) == [(None, "r:a", "warning")]
    assert await play.step(START) == []
    await play.judge(verdict("b", 15, timeframe=Timeframe.H4), "r")
    await play.judge(verdict("c", 30, timeframe=Timeframe.H4), "r")
    assert await play.life("a") == ("updated", 1, "b")
    told = await play.step(START + 30 * MINUTE)
    assert [one for one in told if one[0] is None] == [(None, "r:b", "warning"), (None, "r:c", "warning")]
    assert [one for one in told if one[0] is not None] == [
        ("1", "UPDATED 2025-11-21 09:15:00 UTC: a later signal of the same direction", "info")
    ]
    assert await play.step(START + 31 * MINUTE) == [
        ("2", "UPDATED 2025-11-21 09:30:00 UTC: a later signal of the same direction", "info")
    ]


async def test_one_of_the_other_direction_invalidates_it_and_is_told_anew_to_who_does_not_hear_of_it(play):
    long = verdict("a", 0, plan=None, timeframe=Timeframe.H4)
    await play.judge(long, "longs", "all")
    await play.send(START)
    await play.judge(verdict("b", 60, Direction.SHORT, timeframe=Timeframe.H4), "all")
    told = sorted(await play.step(START + 60 * MINUTE), key=str)
    word = "INVALIDATED 2025-11-21 10:00:00 UTC: a signal of the other direction"
    assert told == [
        ("1", word, "info"),
        ("2", word, "info"),
        (None, "SIMULATED: invented prices", "warning"),  # for the rule that wants longs alone
        (None, "all:b", "warning"),
    ]
    assert await play.life("a") == ("invalidated", 1, "b")
    assert await play.step(START + 600 * MINUTE) != []  # b's own time is over
    assert await play.life("a") == ("invalidated", 1, "b")


async def test_its_time_being_over_shows_and_sounds_nowhere(play):
    await play.judge(verdict("a", 0), "r")
    await play.send(START)
    assert await play.step(START + 15 * MINUTE - 1) == []
    told = await play.step(START + 15 * MINUTE)
    assert told == [("1", "EXPIRED 2025-11-21 09:15:00 UTC: its time is over", "info")]
    assert await play.step(START + 99 * MINUTE) == []


async def test_what_was_not_sent_yet_is_not_sent_when_it_is_wrong_already(play):
    await play.judge(verdict("a", 0, timeframe=Timeframe.H4), "r")
    await play.judge(verdict("b", 60, Direction.SHORT, timeframe=Timeframe.H4), "other")
    row = await play.pool.fetchrow("SELECT state, reason FROM alerts.outbox WHERE signal_id = 'a'")
    assert tuple(row) == ("expired", "its signal was invalidated before it was sent")
    assert [text for _, text, _ in await play.step(START + 60 * MINUTE)] == ["other:b"]


async def test_a_message_that_arrives_late_shows_where_its_signal_stands(play):
    await play.judge(verdict("a", 0, timeframe=Timeframe.H4), "r")
    (claim,) = await play.outbox.claim("telegram", START, lease_ns=3_600 * S, limit=9)
    await play.judge(verdict("b", 30, Direction.SHORT, timeframe=Timeframe.H4))
    assert await play.step(START + 30 * MINUTE) == []
    await play.outbox.settle(claim, DeliveryState.DELIVERED, START + 31 * MINUTE, message_id="7")
    told = await play.step(START + 31 * MINUTE)
    assert ("7", "INVALIDATED 2025-11-21 09:30:00 UTC: a signal of the other direction", "info") in told


async def test_other_markets_timeframes_and_withheld_verdicts_change_nothing(play):
    await play.judge(verdict("a", 0, timeframe=Timeframe.H4), "r")
    await play.send(START)
    short = {"direction": Direction.SHORT, "timeframe": Timeframe.H4}
    await play.judge(verdict("b", 5, symbol="ETH-USDT-PERP", **short), "r")
    await play.judge(verdict("c", 5, venue="bybit", **short), "r")
    await play.judge(verdict("d", 5, Direction.SHORT, timeframe=Timeframe.H1), "r")
    await play.judge(verdict("e", 5, decision=Decision.WITHHOLD, **short))
    await play.judge(verdict("f", -5, **short), "r")  # known later, but older
    assert await play.life("a") == ("new", 0, None)
    assert await play.life("e") is None


async def test_a_sender_that_dies_in_an_edit_leaves_it_to_the_next(play):
    await play.judge(verdict("a", 0), "r")
    await play.send(START)
    await play.outbox.step(START + 15 * MINUTE)
    (claim,) = await play.outbox.claim("telegram", START + 15 * MINUTE, lease_ns=S, limit=9)
    await play.outbox.begin(claim, START + 15 * MINUTE, lease_ns=S)
    await play.outbox.sweep(START + 16 * MINUTE)
    assert await play.send(START + 16 * MINUTE) == [("1", "EXPIRED 2025-11-21 09:15:00 UTC: its time is over", "info")]


async def test_steps_are_shown_once_by_any_number_of_processes(play, pool):
    await play.judge(verdict("a", 0), *(f"r{n}" for n in range(40)))
    await play.send(START)
    others = [Outbox(pool, limits=UNBOUND) for _ in range(4)]
    counts = [await one.step(START + 15 * MINUTE) for one in others]
    assert counts == [40, 0, 0, 0]


async def test_old_lives_are_forgotten(play):
    await play.judge(verdict("a", 0), "r")
    await play.outbox.purge(START + 15 * MINUTE)
    assert await play.life("a") is not None
    await play.outbox.purge(START + 15 * MINUTE + 1)
    assert await play.life("a") is None


def test_the_verdict_is_kept_as_it_came():
    one = verdict("a", 0)
    told = told_of(one)
    assert told is not None
    assert told.event == encode(one)
    assert told_of(verdict("n", 0, Direction.NEUTRAL)) is None
    assert told_of(verdict("w", 0, decision=Decision.WITHHOLD)) is None


async def test_an_edit_keeps_the_mark_of_a_repeat(play):
    await play.judge(verdict("a", 0), "r")
    (claim,) = await play.outbox.claim("telegram", START, lease_ns=S, limit=9)
    await play.outbox.settle(claim, DeliveryState.AMBIGUOUS, START, reason="reset", repeat_ns=START)
    assert [urgency for _, _, urgency in await play.send(START)] == ["warning"]
    told = await play.step(START + 15 * MINUTE)
    assert [(first, text) for first, text, _ in told] == [("1", "(possible repeat)")]


async def test_a_notice_starts_no_cooldown(play):
    await play.judge(verdict("a", 0), "r")
    await play.send(START)
    short = verdict("b", 5, direction=Direction.SHORT)
    await play.judge(short)
    told = await play.step(START + 5 * MINUTE)
    assert [one for one in told if one[0] is None] != []  # the notice was delivered now
    await play.judge(verdict("c", 10), "r")
    (claim,) = await play.outbox.claim("telegram", START + 10 * MINUTE, lease_ns=S, limit=9)
    assert claim.last_delivered_ns == START
