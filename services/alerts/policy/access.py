"""Who says what to the bot in; whether it is heard at all, and what that user may do, out. Pure.

The user is asked, never the chat: to be in a group with the bot is no right to command it.
"""

import re
from collections.abc import Iterable
from enum import IntEnum, unique
from typing import Final

from msgspec import Struct

from libs.common.events import MINUTE_NS

EVERYONE: Final = "*"
LATE_NS: Final = 10 * MINUTE_NS
"""What was written earlier is not acted upon any more."""
_USER: Final = re.compile(r"[1-9]\d{0,17}")
_COMMAND: Final = re.compile(r"/(?P<name>[A-Za-z0-9_]{1,32})(?:@(?P<bot>\w{1,64}))?(?:\s+(?P<args>.*))?", re.DOTALL)


@unique
class Role(IntEnum):
    """What a user may do; each may do what those before it may."""

    ANYONE = 0
    READER = 1
    OWNER = 2


class Lists(Struct, frozen=True, kw_only=True):
    """The users of the settings."""

    everyone: bool = False
    """Every user is a reader."""
    readers: frozenset[int] = frozenset()
    owners: frozenset[int] = frozenset()

    def role(self, user_id: int, invited: Role | None = None) -> Role:
        """Return what a user may do; `invited`: what an invite made them."""
        if user_id in self.owners:
            return Role.OWNER
        listed = Role.READER if self.everyone or user_id in self.readers else Role.ANYONE
        return max(listed, invited or Role.ANYONE)


def lists_of(allowed: Iterable[str], owners: Iterable[str]) -> Lists:
    """Return the lists; nobody is allowed where both are empty.

    Raises:
        ValueError: one is neither a user's number nor `*` (which no owner can be).
    """
    allowed, owners = list(allowed), list(owners)
    for one in [*(one for one in allowed if one != EVERYONE), *owners]:
        if not _USER.fullmatch(one):
            raise ValueError(f"{one[:40]!r} is no Telegram user: their number, say 123456789")
    return Lists(
        everyone=EVERYONE in allowed,
        readers=frozenset(int(one) for one in allowed if one != EVERYONE),
        owners=frozenset(map(int, owners)),
    )


class Said(Struct, frozen=True, kw_only=True):
    """A message, as far as it matters who says it."""

    text: str
    user_id: int | None
    chat_id: int
    message_id: int
    at_ns: int
    private: bool
    by_bot: bool = False
    """Written by a bot, or through one."""
    for_chat: bool = False
    """Sent in the name of a chat: a channel, or an anonymous administrator of a group."""
    forwarded: bool = False
    edited: bool = False


class Asked(Struct, frozen=True):
    """A command and what stands behind it."""

    name: str
    args: str
    ours: bool
    """It names this bot, or nobody else can be meant."""


def heard(said: Said) -> bool:
    """Return whether a message may command: it is somebody's own, in their own name, as they wrote it first."""
    return not (said.user_id is None or said.by_bot or said.for_chat or said.forwarded or said.edited)


def asked(said: Said, bot_name: str) -> Asked | None:
    """Return what command a message is; None for one that is none, or another bot's."""
    found = _COMMAND.fullmatch(said.text.strip())
    if found is None or (found["bot"] or bot_name).lower() != bot_name.lower():
        return None
    return Asked(found["name"].lower(), (found["args"] or "").strip(), said.private or found["bot"] is not None)
