"""What users and groups do in (say, press, block, unblock, kick, add, deactivate, migrate); updates for the bot out."""

import re
from collections.abc import Callable
from enum import StrEnum, unique
from typing import Any, Final, TypeAlias

from msgspec import Struct

from deploy.local.sandbox.telegram_call import ApiError
from deploy.local.sandbox.telegram_entities import utf16
from deploy.local.sandbox.telegram_messages import BOT, Accepted, chat_object
from deploy.local.sandbox.telegram_updates import Updates

_COMMAND: Final = re.compile(r"(?<![\w/])/[a-zA-Z0-9_]{1,64}(?:@(?P<bot>\w+))?")
_ANONYMOUS: Final = {"id": 1_087_968_824, "is_bot": True, "first_name": "Group", "username": "GroupAnonymousBot"}


class Say(Struct, frozen=True, kw_only=True, tag_field="act", tag="say", forbid_unknown_fields=True):
    """A user writes."""

    user: int
    text: str
    chat: int | None = None
    """A group; None: to the bot itself."""
    edits: int | None = None
    """The id of an earlier message of theirs that this replaces."""
    forwarded: bool = False
    anonymous: bool = False
    """As an anonymous administrator: `from` is a stand-in, `sender_chat` the group."""


class Press(Struct, frozen=True, kw_only=True, tag_field="act", tag="press", forbid_unknown_fields=True):
    """A user presses a button."""

    user: int
    message_id: int
    data: str
    chat: int | None = None
    forged: bool = False
    """With data that no button of the message has: a client may send any."""


class Block(Struct, frozen=True, kw_only=True, tag_field="act", tag="block", forbid_unknown_fields=True):
    """A user blocks the bot."""

    user: int


class Unblock(Struct, frozen=True, kw_only=True, tag_field="act", tag="unblock", forbid_unknown_fields=True):
    """A user unblocks it."""

    user: int


class Deactivate(Struct, frozen=True, kw_only=True, tag_field="act", tag="deactivate", forbid_unknown_fields=True):
    """A user is no more; nobody tells the bot."""

    user: int


class Stranger(Struct, frozen=True, kw_only=True, tag_field="act", tag="stranger", forbid_unknown_fields=True):
    """A user has never written to the bot."""

    user: int


class Kick(Struct, frozen=True, kw_only=True, tag_field="act", tag="kick", forbid_unknown_fields=True):
    """`user` removes the bot from a group."""

    user: int
    chat: int


class Add(Struct, frozen=True, kw_only=True, tag_field="act", tag="add", forbid_unknown_fields=True):
    """`user` adds it."""

    user: int
    chat: int


class Migrate(Struct, frozen=True, kw_only=True, tag_field="act", tag="migrate", forbid_unknown_fields=True):
    """`user` makes a group the supergroup `to`."""

    user: int
    chat: int
    to: int


Act: TypeAlias = Say | Press | Block | Unblock | Deactivate | Stranger | Kick | Add | Migrate


@unique
class Standing(StrEnum):
    """Why a chat takes nothing."""

    BLOCKED = "Forbidden: bot was blocked by the user"
    DEACTIVATED = "Forbidden: user is deactivated"
    STRANGER = "Forbidden: bot can't initiate conversation with a user"
    KICKED = "Forbidden: bot was kicked from the {kind} chat"


class People:
    """All who may talk to one bot. A chat of which nothing is known takes everything."""

    def __init__(
        self, updates: Updates, take_id: Callable[[], int], find: Callable[[int, int], Accepted | None]
    ) -> None:
        self._updates = updates
        self._take_id = take_id
        self._find = find
        self._standing: dict[int, Standing] = {}
        self._moved: dict[int, int] = {}
        self._pressed = 0
        self.queries: dict[str, int] = {}
        """When each callback query that nobody answered was made."""

    def check(self, chat: int) -> None:
        """Raise what Telegram answers to a bot that writes to a chat which does not take it."""
        if chat in self._moved:
            text = "Bad Request: group chat was upgraded to a supergroup chat"
            raise ApiError(400, text, {"migrate_to_chat_id": self._moved[chat]})
        if standing := self._standing.get(chat):
            raise ApiError(403, standing.format(kind=chat_object(chat)["type"]))

    def act(self, act: Act, date: int) -> int | None:  # noqa: PLR0911  (one way for each act)
        """Let it happen; return the id of the update it makes, or None where the bot is not told.

        Raises:
            ValueError: it cannot happen: no such button, or one who blocked the bot writes to it.
        """
        match act:
            case Say():
                return self._say(act, date)
            case Press():
                return self._press(act, date)
            case Block(user=user):
                return self._turn(user, user, Standing.BLOCKED, date)
            case Unblock(user=user):
                return self._turn(user, user, None, date)
            case Kick(user=user, chat=chat):
                return self._turn(user, chat, Standing.KICKED, date)
            case Add(user=user, chat=chat):
                return self._turn(user, chat, None, date)
            case Deactivate(user=user):
                self._standing[user] = Standing.DEACTIVATED
            case Stranger(user=user):
                self._standing[user] = Standing.STRANGER
            case Migrate():
                return self._migrate(act, date)
        return None

    def _say(self, act: Say, date: int) -> int | None:
        chat = act.user if act.chat is None else act.chat
        if self._standing.get(chat) is Standing.STRANGER:
            del self._standing[chat]
        self._may(chat)
        commands = list(_COMMAND.finditer(act.text))
        to = commands[0]["bot"] if commands and commands[0].start() == 0 else None
        if chat < 0 and (not act.text.startswith("/") or (to or BOT["username"]) != BOT["username"]):
            return None  # privacy mode: of a group the bot hears its commands only
        message: dict[str, Any] = {
            "message_id": self._take_id() if act.edits is None else act.edits,
            "date": date,
            "chat": chat_object(chat),
            "from": _ANONYMOUS if act.anonymous else _user(act.user),
            "text": act.text,
        }
        if act.anonymous:
            message["sender_chat"] = chat_object(chat)
        if act.forwarded:
            message["forward_origin"] = {"type": "hidden_user", "sender_user_name": "Somebody", "date": date}
        if commands:
            message["entities"] = [_command(act.text, found) for found in commands]
        if act.edits is None:
            return self._updates.add("message", message)
        return self._updates.add("edited_message", {**message, "edit_date": date})

    def _press(self, act: Press, date: int) -> int | None:
        chat = act.user if act.chat is None else act.chat
        self._may(chat)
        message = self._find(chat, act.message_id)
        if message is None:
            raise ValueError(f"no message {act.message_id} in chat {chat}")
        if not act.forged and all(act.data != one.get("callback_data") for row in message.keyboard for one in row):
            raise ValueError(f"message {act.message_id} has no button with {act.data!r}")
        self._pressed += 1
        query_id = str(4_000_000_000_000 + self._pressed)
        self.queries[query_id] = date
        query = {
            "id": query_id,
            "from": _user(act.user),
            "message": message.result(),
            "chat_instance": str(-chat),
            "data": act.data,
        }
        return self._updates.add("callback_query", query)

    def _turn(self, user: int, chat: int, standing: Standing | None, date: int) -> int | None:
        """Change whether the bot is a member of a chat; None where it stays as it was."""
        if self._standing.get(chat) is standing:
            return None
        self._standing.pop(chat, None)
        if standing:
            self._standing[chat] = standing
        old, new = ("member", "kicked") if standing else ("kicked", "member")
        change = {
            "chat": chat_object(chat),
            "from": _user(user),
            "date": date,
            "old_chat_member": _membership(old),
            "new_chat_member": _membership(new),
        }
        return self._updates.add("my_chat_member", change)

    def _migrate(self, act: Migrate, date: int) -> int | None:
        self._may(act.chat)
        self._moved[act.chat] = act.to
        told = {"date": date, "from": _user(act.user)}
        old = {**told, "message_id": self._take_id(), "chat": chat_object(act.chat), "migrate_to_chat_id": act.to}
        new = {**told, "message_id": self._take_id(), "chat": chat_object(act.to), "migrate_from_chat_id": act.chat}
        self._updates.add("message", old)
        return self._updates.add("message", new)

    def _may(self, chat: int) -> None:
        if chat in self._standing or chat in self._moved:
            raise ValueError(f"nobody can write to the bot in chat {chat}: it is blocked, kicked or gone from there")


def _user(user_id: int) -> dict[str, Any]:
    return {"id": user_id, "is_bot": False, "first_name": f"User {user_id}", "language_code": "en"}


def _membership(status: str) -> dict[str, Any]:
    found: dict[str, Any] = {"user": BOT, "status": status}
    return {**found, "until_date": 0} if status == "kicked" else found


def _command(text: str, found: re.Match[str]) -> dict[str, Any]:
    return {"type": "bot_command", "offset": utf16(text[: found.start()]), "length": utf16(found[0])}
