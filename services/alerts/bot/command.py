"""What a command is: who asked for what in; what is said back, within the transaction that its effects are in, out."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from msgspec import Struct

from libs.common.events import AlertRule
from services.alerts.channels.channel import Button
from services.alerts.policy.access import Lists, Role
from services.alerts.policy.markup import Piece, join

CHANNEL: Final = "telegram"
Keyboard: TypeAlias = tuple[tuple[Button, ...], ...]


class Wrong(ValueError):
    """A command that is not done, and has changed nothing; the words go to who asked."""

    def __init__(self, words: Piece | str) -> None:
        self.words = join(words) if isinstance(words, str) else words
        super().__init__(self.words.text)


class Call(Struct, frozen=True, kw_only=True):
    """One command as somebody gave it."""

    update_id: int
    user_id: int
    chat_id: int
    """Where it was said."""
    recipient: str
    """The chat as rules and the outbox name it: its first id, if it has moved since."""
    private: bool
    role: Role
    args: str
    at_ns: int

    @property
    def words(self) -> list[str]:
        """The arguments, at blanks."""
        return self.args.split()

    def only(self, most: int, usage: str) -> list[str]:
        """Return the arguments.

        Raises:
            Wrong: there are more than `most`.
        """
        if len(self.words) > most:
            raise Wrong(f"That is too much: write {usage}")
        return self.words


class Reply(Struct, frozen=True, kw_only=True):
    """What is said back; longer than a message, it comes in parts."""

    words: Piece
    keyboard: Keyboard = ()
    document: bytes | None = None
    """A file, with the words below it."""
    signal_id: str = ""
    """Of the signal that the file is about: its name."""


class Desk(Struct, frozen=True, kw_only=True):
    """What a command may use."""

    connection: Any
    """Within the update's transaction."""
    commands: "tuple[Command, ...]"
    lists: Lists
    keys: tuple[bytes, ...]
    """Of buttons, the newest first."""
    zone: str = "UTC"
    fixed: tuple[AlertRule, ...] = ()
    """Rules of the settings."""


class Command(Struct, frozen=True, kw_only=True):
    """One row of the registry: help, menu, access and the answer to what is unknown come from it."""

    name: str
    usage: str = ""
    """What may stand behind it; empty: nothing."""
    meaning: str
    """For the menu and /help."""
    role: Role = Role.READER
    group_role: Role = Role.READER
    """What it takes in a group, where it changes what everybody there hears."""
    run: Callable[[Call, Desk], Awaitable[Reply]]

    @property
    def full(self) -> str:
        """How it is written."""
        return f"/{self.name} {self.usage}".strip()
