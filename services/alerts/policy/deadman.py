"""Signs of life and looks at the clock in; what one owner is to be told now out. Pure.

One story: silence is told once, then repeated now and then while it lasts, and its end is told once. Only what was
told has an end to tell.
"""

from enum import StrEnum

from msgspec import Struct


class Notice(StrEnum):
    """What there is to say."""

    SILENT = "silent"
    STILL_SILENT = "still_silent"
    BACK = "back"


class Limits(Struct, frozen=True):
    """Seconds."""

    silence_s: float = 45.0
    """Without a beat for so long it counts as dead."""
    repeat_s: float = 3600.0
    """Between two messages about one silence."""


class Life(Struct, frozen=True):
    """The signs of life up to now. All times are seconds of one clock that never goes back."""

    heard_s: float
    """The newest beat; before the first, the start of the watch."""
    since_s: float
    """What silence is counted from: the newest beat, or a later moment at which we could hear again."""
    looked_s: float
    """The last look at the clock."""


class Told(Struct, frozen=True):
    """What one owner knows."""

    silent: bool = False
    at_s: float = 0.0
    """When they were told last."""


def beat(life: Life, at_s: float) -> Life:
    """Return the life after a beat."""
    return Life(
        heard_s=max(life.heard_s, at_s),
        since_s=max(life.since_s, at_s),
        looked_s=life.looked_s,
    )


def look(life: Life, now_s: float, limits: Limits) -> Life:
    """Return the life after a look at the clock.

    Looks are frequent. One that comes half a silence after the last means that the watch itself was stopped, and
    could not hear: what it missed is not held against the other, and the silence counts from now.
    """
    frozen = now_s - life.looked_s > limits.silence_s / 2
    return Life(
        heard_s=life.heard_s,
        since_s=max(life.since_s, now_s) if frozen else life.since_s,
        looked_s=max(life.looked_s, now_s),
    )


def due(life: Life, told: Told, now_s: float, limits: Limits) -> Notice | None:
    """Return what this owner is to be told now."""
    if not told.silent:
        return Notice.SILENT if now_s - life.since_s >= limits.silence_s else None
    if now_s - life.heard_s < limits.silence_s:
        return Notice.BACK  # only a beat ends what was told
    return Notice.STILL_SILENT if now_s - told.at_s >= limits.repeat_s else None


def after(notice: Notice, now_s: float) -> Told:
    """Return what the owner knows once `notice` was delivered."""
    return Told(silent=notice is not Notice.BACK, at_s=now_s)
