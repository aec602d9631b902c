"""What came at once for one recipient, and their wishes, in; how each of it is told, and when, out. Pure."""

from collections.abc import Mapping, Sequence
from enum import StrEnum, unique
from typing import Final

from msgspec import Struct, field

from libs.common.events import Severity
from services.alerts.policy.budget import BURST_NS, Bucket, Limits, apportion
from services.alerts.policy.budget import Way as Share
from services.alerts.policy.quiet import Quiet, is_quiet, quiet_until_ns
from services.alerts.policy.schedule import next_digest_ns

ANY: Final = "*"
GATHER_NS: Final = BURST_NS
"""What is rolled up waits so long for more of the same burst."""


@unique
class Mode(StrEnum):
    """How a recipient wants a kind and severity to be told."""

    ON = "on"
    SILENT = "silent"
    """Without a sound."""
    DIGEST = "digest"
    """In a digest alone."""
    OFF = "off"


class Listener(Struct, frozen=True, kw_only=True):
    """One recipient's wishes."""

    disabled: str | None = None
    """Why nothing is sent at all."""
    paused_until_ns: int = 0
    quiet: Quiet | None = None
    zone: str = "UTC"
    digest_minute: int | None = None
    """Of the local day: what is rolled up is told then; None: as soon as the budget allows it."""
    limits: Limits = Limits()
    bucket: Bucket = Bucket()
    modes: Mapping[tuple[str, str], Mode] = field(default_factory=dict)
    """By (kind, severity); `*` stands for any."""
    mutes: Mapping[str, int] = field(default_factory=dict)
    """What is muted, until when."""

    def mode(self, kind: str, severity: str) -> Mode:
        """Return what counts for a kind and severity: the most exact row, the kind before the severity."""
        for key in ((kind, severity), (kind, ANY), (ANY, severity), (ANY, ANY)):
            if key in self.modes:
                return self.modes[key]
        return Mode.ON


class Want(Struct, frozen=True, kw_only=True):
    """Something that a rule of theirs wants them to hear."""

    kind: str
    severity: Severity
    about: tuple[str, ...] = ()
    """What may be muted."""


class Way(Struct, frozen=True, kw_only=True):
    """How it is told."""

    dropped: str | None = None
    """Why it is not told at all."""
    due_ns: int | None = None
    """When it is told in a digest; None: alone, now."""
    silent: bool = False


def tell(wants: Sequence[Want], listener: Listener, *, stopped: bool, now_ns: int) -> tuple[list[Way], Bucket]:
    """Return a way for each of `wants`, and the bucket afterwards.

    Critical ones sound in quiet hours and past the budget; of many at once the first ten are told alone. What else
    falls into quiet hours, is beyond the budget or comes in a burst goes into a digest. `stopped`: nothing is told.
    """
    ways: list[Way | None] = [_refused(want, listener, stopped=stopped, now_ns=now_ns) for want in wants]
    open_ = [at for at, way in enumerate(ways) if way is None]
    severities = [wants[at].severity for at in open_]
    shares, bucket = apportion(severities, listener.bucket, limits=listener.limits, now_ns=now_ns)
    for at, share in zip(open_, shares, strict=True):
        if share is Share.ALONE:
            ways[at] = Way(silent=_silent(wants[at], listener))
        else:
            critical = wants[at].severity is Severity.CRITICAL
            ways[at] = Way(due_ns=now_ns + GATHER_NS if critical else due_ns(listener, now_ns))
    return [way for way in ways if way is not None], bucket


def due_ns(listener: Listener, now_ns: int) -> int:
    """Return when what is rolled up now may be told: never within quiet hours; the budget is asked then."""
    if listener.digest_minute is None:
        due = now_ns + GATHER_NS
    else:
        due = next_digest_ns(listener.digest_minute, listener.zone, now_ns)
    return due if listener.quiet is None else quiet_until_ns(listener.quiet, due)


def _refused(want: Want, listener: Listener, *, stopped: bool, now_ns: int) -> Way | None:
    """Return how it is told whatever the budget says; None where the budget decides."""
    mode = listener.mode(want.kind, want.severity)
    muted = next((subject for subject in want.about if listener.mutes.get(subject, 0) > now_ns), None)
    refusals = (
        ("all alerts are stopped", stopped),
        (f"the recipient is disabled: {listener.disabled}", listener.disabled is not None),
        ("paused by the recipient", listener.paused_until_ns > now_ns),
        (f"turned off by the recipient: {want.kind}, {want.severity}", mode is Mode.OFF),
        (f"muted by the recipient: {muted}", muted is not None),
    )
    for reason, holds in refusals:
        if holds:
            return Way(dropped=reason)
    quiet = listener.quiet is not None and is_quiet(listener.quiet, now_ns)
    if mode is Mode.DIGEST or (quiet and want.severity is not Severity.CRITICAL):
        return Way(due_ns=due_ns(listener, now_ns))
    return None


def _silent(want: Want, listener: Listener) -> bool:
    return want.severity is Severity.INFO or listener.mode(want.kind, want.severity) is Mode.SILENT
