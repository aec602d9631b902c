"""Whether a condition holds, event by event, in; the moment its rule fires out. Pure, and by event time only."""

from enum import StrEnum, unique

from msgspec import Struct


@unique
class Phase(StrEnum):
    """Where a rule stands with one key."""

    IDLE = "idle"
    PENDING = "pending"
    """It holds, but not yet for long enough."""
    FIRING = "firing"
    """It fired, and has not ended."""


class State(Struct, frozen=True):
    """What is remembered of one rule and one key."""

    phase: Phase = Phase.IDLE
    since_ns: int = 0
    """When the phase began."""
    episode: int = 0
    """Time of the event that made the condition true, of the last episode: it is part of the alert's identity."""


def ending(*, holds: bool | None) -> bool | None:
    """Return what ends an episode of a rule without `until`: that its condition does not hold."""
    return None if holds is None else not holds


def step(state: State, *, holds: bool | None, ends: bool | None, at_ns: int, for_ns: int) -> tuple[State, bool]:
    """Return the next state, and whether the rule fires now.

    `holds` and `ends` are the answers of the condition and of `until` (or `ending`); None is unknown. An episode fires
    once: when the condition held from its first event to one at least `for_ns` later. Only `ends` ends it, and not
    while the condition still holds, so a rule whose two conditions overlap does not flutter.

    Unknown changes nothing, but that the wait of `for_ns` starts anew when it is not over after twice its length. An
    event older than the phase changes nothing either.
    """
    if at_ns < state.since_ns:
        return state, False
    idle = State(Phase.IDLE, at_ns, state.episode)
    waited_ns = at_ns - state.since_ns
    match state.phase:
        case Phase.FIRING:
            return (idle if ends is True and holds is not True else state), False
        case Phase.PENDING if holds:
            return (State(Phase.FIRING, at_ns, state.episode), True) if waited_ns >= for_ns else (state, False)
        case Phase.PENDING:
            return (idle if holds is False or waited_ns > 2 * for_ns else state), False
        case _ if holds:
            fires = for_ns <= 0
            return State(Phase.FIRING if fires else Phase.PENDING, at_ns, at_ns), fires
        case _:
            return state, False
