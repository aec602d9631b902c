"""What becomes of a signal that people were told of; its message anew, and the word that is worth a message. Pure.

new -> updated (a later signal of the same direction) -> invalidated (one of the other direction) or expired.
"""

import hashlib
from enum import StrEnum, unique
from typing import Final

from msgspec import Struct

from libs.common.events import Verdict
from services.alerts.policy import markup, numbers
from services.alerts.policy.markup import Piece, bold, code, data, join
from services.alerts.policy.wording import banner, headline, render

_ID_UNITS: Final = 96
_NAME_UNITS: Final = 48


@unique
class Step(StrEnum):
    """Where a told signal stands."""

    NEW = "new"
    UPDATED = "updated"
    INVALIDATED = "invalidated"
    EXPIRED = "expired"


_REASONS: Final = {
    Step.UPDATED: "a later signal of the same direction",
    Step.INVALIDATED: "a signal of the other direction",
    Step.EXPIRED: "its time is over",
}
TOLD_ANEW: Final = frozenset({Step.INVALIDATED})
"""Steps that are worth a message of their own: whoever follows the signal must hear of them."""


class Life(Struct, frozen=True, kw_only=True):
    """Where one signal stands, since when, and which signal brought it there."""

    step: Step
    version: int
    step_ns: int
    by_signal: str | None = None


def edit_id(alert_id: str, version: int) -> str:
    """Return the id of the alert that shows version `version` in the message of `alert_id`."""
    return hashlib.sha256(f"edit:{alert_id}:{version}".encode()).hexdigest()[:32]


def notice_id(alert_id: str, version: int) -> str:
    """Return the id of the alert that tells of that version."""
    return hashlib.sha256(f"notice:{alert_id}:{version}".encode()).hexdigest()[:32]


def shown(verdict: Verdict, life: Life) -> Piece:
    """Return the message of `verdict` as it is to stand from now on."""
    return markup.lines([bold(_word(life)), *_by(life), render(verdict)])


def notice(verdict: Verdict, life: Life) -> Piece:
    """Return a short message of its own."""
    signal = verdict.signal
    return markup.lines(
        [
            *banner(verdict.origin),
            bold(_word(life)),
            headline(signal),
            join(data(signal.venue, _NAME_UNITS), f", {signal.timeframe} bars, of {numbers.utc(signal.as_of_ns)}"),
            *_by(life),
            join("Signal ", code(data(signal.signal_id, _ID_UNITS))),
        ]
    )


def _word(life: Life) -> Piece:
    return join(f"{life.step.upper()} {numbers.utc(life.step_ns)}: {_REASONS[life.step]}")


def _by(life: Life) -> list[Piece]:
    return [] if life.by_signal is None else [join("By signal ", code(data(life.by_signal, _ID_UNITS)))]
