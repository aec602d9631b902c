"""A signal's life goes forward alone, and ends at the same step whatever came first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Barrier, Outcome, Timeframe
from services.alerts.policy.lifecycle import Life, Step, expired, overtaken, resolved, shown, worth_telling
from services.alerts.policy.markup import Piece

S = 1_000_000_000
NOON = 1_763_726_400 * S  # 2025-11-21 12:00:00 UTC
ENDS = NOON + 900 * S
NEW = Life(step=Step.NEW, version=0, step_ns=NOON, valid_until_ns=ENDS)


def outcome(barrier: Barrier, r_multiple: float | None = 1.5, at_ns: int = NOON + 240 * S) -> Outcome:
    return Outcome(
        venue="okx",
        symbol="BTC-USDT-PERP",
        signal_id="a",
        timeframe=Timeframe.M15,
        resolved_ns=at_ns,
        barrier=barrier,
        r_multiple=r_multiple,
        mfe=None,
        mae=None,
    )


def after(life: Life, event: str, now_ns: int) -> Life:
    """Return the life after one event, worked out at `now_ns`."""
    if event in {"same", "other", "other too late"}:
        decided_ns = ENDS if event == "other too late" else NOON + 60 * S
        return overtaken(life, event, same_direction=event == "same", decided_ns=decided_ns, now_ns=now_ns)
    if event == "end":
        return expired(life, max(now_ns, ENDS))
    return resolved(life, outcome(Barrier(event)), now_ns)


LADDER = ["new", "updated", "expired", "invalidated", "target", "stop"]
"""From the task: steps only move forward."""
LEADS_TO = {"same": "updated", "end": "expired", "other": "invalidated", "other too late": "new", "expiry": "expired"}
LEADS_TO |= {"unresolved": "expired", "target": "target", "stop": "stop"}
events = st.lists(st.tuples(st.sampled_from(sorted(LEADS_TO)), st.integers(NOON, ENDS + 3600 * S)), max_size=9)


@given(events)
def test_a_life_goes_forward_and_ends_at_the_same_step_in_any_order(came):
    life, told = NEW, 0
    for event, now_ns in came:
        before, life = life, after(life, event, now_ns)
        assert LADDER.index(life.step) >= LADDER.index(before.step)
        assert life.version in {before.version, before.version + 1}
        assert (life.version == before.version) == (life == before)
        assert before.aloud <= life.aloud <= life.version
        told += life.aloud > before.aloud
        if before.step not in {Step.NEW, Step.UPDATED} or now_ns >= ENDS:
            assert life.aloud == before.aloud  # an end after another makes no sound
    assert life.step == max([LEADS_TO[event] for event, _ in came] or ["new"], key=LADDER.index)
    assert told <= 1


@given(events, st.sampled_from(sorted(LEADS_TO)), st.integers(NOON, ENDS + 3600 * S))
def test_the_same_again_changes_nothing(came, event, now_ns):
    life = NEW
    for one, at_ns in came:
        life = after(life, one, at_ns)
    once = after(life, event, now_ns)
    assert after(once, event, now_ns) == once


def lines(life: Life) -> list[str]:
    return shown(Piece("<b>words</b>", "words"), life).text.splitlines()


@pytest.mark.parametrize(
    ("came", "first"),
    [
        (["same"], ["UPDATED 2025-11-21 12:01:00 UTC: a later signal of the same direction", "By signal same"]),
        (["other"], ["INVALIDATED 2025-11-21 12:01:00 UTC: a signal of the other direction", "By signal other"]),
        (["end"], ["EXPIRED 2025-11-21 12:15:00 UTC: its time is over"]),
        (["target"], ["TARGET 2025-11-21 12:04:00 UTC: +1.50 R after fees"]),
        (["stop", "target"], ["STOP 2025-11-21 12:04:00 UTC: +1.50 R after fees"]),
        (["end", "expiry"], ["EXPIRED 2025-11-21 12:04:00 UTC: its time is over, +1.50 R after fees"]),
        (["expiry", "end"], ["EXPIRED 2025-11-21 12:04:00 UTC: its time is over, +1.50 R after fees"]),
        (["unresolved"], ["UNRESOLVED 2025-11-21 12:04:00 UTC: what became of it cannot be told"]),
        (["other", "target"], ["TARGET 2025-11-21 12:04:00 UTC: +1.50 R after fees"]),
        (
            ["other", "expiry"],
            [
                "INVALIDATED 2025-11-21 12:01:00 UTC: a signal of the other direction",
                "By signal other",
                "EXPIRED 2025-11-21 12:04:00 UTC: its time is over, +1.50 R after fees",
            ],
        ),
    ],
)
def test_what_its_message_says(came, first):
    life = NEW
    for event in came:
        life = after(life, event, NOON + 300 * S)
    assert lines(life) == [*first, "words"]


def test_a_profit_that_nobody_knows_is_not_invented():
    life = resolved(NEW, outcome(Barrier.TARGET, None), NOON)
    assert lines(life)[0] == "TARGET 2025-11-21 12:04:00 UTC: what it brought is not known"
    life = resolved(NEW, outcome(Barrier.STOP, float("nan")), NOON)
    assert lines(life)[0] == "STOP 2025-11-21 12:04:00 UTC: unknown after fees"
    life = resolved(NEW, outcome(Barrier.STOP, -1.04), NOON)
    assert lines(life)[0] == "STOP 2025-11-21 12:04:00 UTC: -1.04 R after fees"


def life(*came: str, now_ns: int = NOON + 300 * S) -> Life:
    one = NEW
    for event in came:
        one = after(one, event, now_ns)
    return one


@pytest.mark.parametrize(
    ("came", "told_version", "hears", "wanted"),
    [
        (["other"], 0, False, True),
        (["other"], 0, True, False),  # the other signal has a message of its own
        (["target"], 0, False, True),
        (["same", "target"], 1, True, True),  # hearing of an update says nothing about the target
        (["other", "target"], 1, False, False),  # told of the end already
        (["other", "target"], 0, False, True),  # not yet: one message says the last word
        (["other", "target"], 0, True, False),
        (["same"], 0, False, False),
        (["end"], 0, False, False),
        (["expiry"], 0, False, False),
        (["unresolved"], 0, False, False),
        (["end", "stop"], 1, False, False),
        (["end", "stop"], 0, False, False),
    ],
)
def test_what_is_worth_a_message_of_its_own(came: Any, told_version, hears, wanted):
    assert worth_telling(life(*came), told_version, hears_of_it=hears) is wanted
