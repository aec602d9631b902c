"""The script of faults that a test writes; the one that meets a call out."""

from enum import StrEnum, unique

from msgspec import Struct, field


@unique
class Action(StrEnum):
    """What goes wrong."""

    FLOOD = "429"
    """`retry_after` seconds, or none named when it is absent; whoever calls earlier is refused as well: in the same
    chat, or, where the call named none, by the same method."""
    ERROR = "500"
    BAD_GATEWAY = "502"
    """With a body of HTML, as a proxy in between answers."""
    BLOCKED = "403"
    REFUSED = "400"
    """With `description`."""
    MIGRATED = "migrate"
    """The group has become the supergroup `migrate_to`."""
    RESET_BEFORE = "reset_before"
    """The connection is reset, and the call had no effect."""
    RESET_AFTER = "reset_after"
    """The connection is reset, and the call had its effect."""
    TORN = "torn"
    """The connection is reset in the middle of the answer, and the call had its effect."""
    HANG = "hang"
    """No answer ever, and no effect."""
    HANG_AFTER = "hang_after"
    """No answer ever, but the effect."""


class Pattern(Struct, frozen=True, forbid_unknown_fields=True):
    """Which calls: everything named must fit."""

    method: str | None = None
    chat_id: str | None = None
    contains: str | None = None
    """A part of the text or caption."""

    def fits(self, method: str, chat_id: str, text: str) -> bool:
        """Return whether a call is meant."""
        return self.method in {None, method} and self.chat_id in {None, chat_id} and (self.contains or "") in text


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of the script."""

    action: Action
    match: Pattern = field(default_factory=Pattern)
    times: int = 1
    retry_after: int | None = None
    migrate_to: int | None = None
    description: str = "Bad Request: chat not found"


class Script:
    """The faults still to come; the first that fits is taken."""

    def __init__(self) -> None:
        self._ahead: list[tuple[Fault, int]] = []

    def add(self, faults: list[Fault]) -> None:
        """Append to the script."""
        self._ahead += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._ahead.clear()

    def take(self, method: str, chat_id: str, text: str) -> Fault | None:
        """Return the fault that meets this call, and count it."""
        for number, (fault, times) in enumerate(self._ahead):
            if fault.match.fits(method, chat_id, text):
                self._ahead[number : number + 1] = [(fault, times - 1)] if times > 1 else []
                return fault
        return None
