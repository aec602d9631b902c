"""What becomes of a signal that people were told of; its message anew, and the word that is worth a message. Pure.

new -> updated (a later signal of the same direction) -> expired -> invalidated (by one of the other direction, judged
while this one was valid) -> target -> stop. A life goes on in this order alone: whatever comes in another order, or
twice, or late, ends at the same step.
"""

import hashlib
from enum import StrEnum, unique
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from libs.common.events import Barrier, Outcome, Verdict
from services.alerts.policy import markup, numbers
from services.alerts.policy.markup import Piece, bold, code, data, join
from services.alerts.policy.wording import banner, headline

_ID_UNITS: Final = 96
_NAME_UNITS: Final = 48


@unique
class Step(StrEnum):
    """Where a told signal stands; a life goes through some of these, in this order."""

    NEW = "new"
    UPDATED = "updated"
    EXPIRED = "expired"
    INVALIDATED = "invalidated"
    TARGET = "target"
    STOP = "stop"


_PLACE: Final = {step: place for place, step in enumerate(Step)}
_OPEN: Final = frozenset({Step.NEW, Step.UPDATED})
UNTELLABLE: Final = {
    Step.INVALIDATED: "was invalidated",
    Step.TARGET: "had met a target",
    Step.STOP: "had met its stop",
}
"""Steps after which nobody is told any more that there is such a signal, and the reason."""
_OUTCOMES: Final = {
    Barrier.UNRESOLVED: Step.EXPIRED,
    Barrier.EXPIRY: Step.EXPIRED,
    Barrier.TARGET: Step.TARGET,
    Barrier.STOP: Step.STOP,
}
"""In the order in which one takes the place of another, should two ever be told of one signal."""
_WEIGHT: Final = {barrier: weight for weight, barrier in enumerate(_OUTCOMES)}
_REASONS: Final = {
    Step.NEW: "nothing has become of it yet",
    Step.UPDATED: "a later signal of the same direction",
    Step.EXPIRED: "its time is over",
    Step.INVALIDATED: "a signal of the other direction",
    Step.TARGET: "a target was met",
    Step.STOP: "its stop was met",
}
_BY_ANOTHER: Final = frozenset({Step.UPDATED, Step.INVALIDATED})


class Life(Struct, frozen=True, kw_only=True):
    """Where one signal stands, since when, and which signal or outcome brought it there."""

    step: Step
    version: int
    """Grows with all that its message shows."""
    step_ns: int
    by_signal: str | None = None
    """The one that updated or invalidated it."""
    aloud: int = 0
    """The version of the newest step that is worth a message of its own; 0: none was."""
    barrier: Barrier | None = None
    """What it met, once its outcome is known."""
    r_multiple: float | None = None
    resolved_ns: int | None = None
    valid_until_ns: int = 0


def overtaken(life: Life, by: str, *, same_direction: bool, decided_ns: int, now_ns: int) -> Life:
    """Return the life after a later signal `by` of its market and timeframe was published at `decided_ns`."""
    if decided_ns >= life.valid_until_ns:
        return life
    step = Step.UPDATED if same_direction else Step.INVALIDATED
    moved = _moved(life, step, decided_ns, aloud=not same_direction, now_ns=now_ns)
    return life if moved is life else replace(moved, by_signal=by)


def resolved(life: Life, outcome: Outcome, now_ns: int) -> Life:
    """Return the life after its outcome; the same one twice changes nothing."""
    if life.barrier is not None and _WEIGHT[outcome.barrier] <= _WEIGHT[life.barrier]:
        return life
    step = _OUTCOMES[outcome.barrier]
    moved = _moved(life, step, outcome.resolved_ns, aloud=step is not Step.EXPIRED, now_ns=now_ns)
    return replace(
        moved,
        version=life.version + 1,
        barrier=outcome.barrier,
        r_multiple=outcome.r_multiple,
        resolved_ns=outcome.resolved_ns,
    )


def expired(life: Life, now_ns: int) -> Life:
    """Return the life as of `now_ns`: over when its time is."""
    if now_ns < life.valid_until_ns:
        return life
    return _moved(life, Step.EXPIRED, life.valid_until_ns, aloud=False, now_ns=now_ns)


def _moved(life: Life, step: Step, at_ns: int, *, aloud: bool, now_ns: int) -> Life:
    """Return the life at `step`, or as it is when it has come further. An end after another makes no sound."""
    if _PLACE[step] <= _PLACE[life.step]:
        return life
    version = life.version + 1
    sounds = aloud and life.step in _OPEN and now_ns < life.valid_until_ns
    return replace(life, step=step, step_ns=at_ns, version=version, aloud=version if sounds else life.aloud)


def worth_telling(life: Life, told_version: int, *, hears_of_it: bool) -> bool:
    """Return whether who was shown `told_version` is to be told anew.

    `hears_of_it`: a message of its own tells them of the signal that overtook this one, so that its invalidation is no
    news to them.
    """
    by_outcome = life.step in (Step.TARGET, Step.STOP) and life.aloud == life.version
    return life.aloud > told_version and (by_outcome or not hears_of_it)


def edit_id(alert_id: str, version: int) -> str:
    """Return the id of the alert that shows version `version` in the message of `alert_id`."""
    return hashlib.sha256(f"edit:{alert_id}:{version}".encode()).hexdigest()[:32]


def notice_id(channel: str, recipient: str, signal_id: str, version: int) -> str:
    """Return the id of the alert that tells a recipient of that version, once, whichever of their rules wanted it."""
    joined = f"notice:{len(channel)}:{channel}{len(recipient)}:{recipient}{version}:{signal_id}"
    return hashlib.sha256(joined.encode()).hexdigest()[:32]


def shown(words: Piece, life: Life) -> Piece:
    """Return a signal's message, `words`, as it is to stand from now on: what was told of it stays as it was told."""
    return markup.lines([*_told(life), words])


def notice(verdict: Verdict, life: Life) -> Piece:
    """Return a short message of its own."""
    signal = verdict.signal
    return markup.lines(
        [
            *banner(verdict.origin),
            *_told(life),
            headline(signal),
            join(data(signal.venue, _NAME_UNITS), f", {signal.timeframe} bars, of {numbers.utc(signal.as_of_ns)}"),
            join("Signal ", code(data(signal.signal_id, _ID_UNITS))),
        ]
    )


def _told(life: Life) -> list[Piece]:
    """Return where it stands, and besides what it came to after it had been invalidated."""
    if life.barrier is not None and _OUTCOMES[life.barrier] is life.step:
        return [bold(_result(life))]
    rows = [bold(join(f"{life.step.upper()} {numbers.utc(life.step_ns)}: {_REASONS[life.step]}"))]
    if life.step in _BY_ANOTHER and life.by_signal is not None:
        rows.append(join("By signal ", code(data(life.by_signal, _ID_UNITS))))
    return rows if life.barrier is None else [*rows, _result(life)]


def _result(life: Life) -> Piece:
    at = numbers.utc(life.step_ns if life.resolved_ns is None else life.resolved_ns)
    gain = "what it brought is not known" if life.r_multiple is None else f"{numbers.gain(life.r_multiple)} after fees"
    match life.barrier:
        case Barrier.UNRESOLVED:
            return join(f"UNRESOLVED {at}: what became of it cannot be told")
        case Barrier.TARGET | Barrier.STOP:
            return join(f"{life.barrier.upper()} {at}: {gain}")
        case _:
            return join(f"EXPIRED {at}: its time is over, {gain}")
