"""The library's updates in; what of them concerns us, as our own plain words, out."""

from typing import Final, TypeAlias

from msgspec import Struct
from telegram import CallbackQuery, ChatMemberUpdated, Message, Update
from telegram.constants import ChatMemberStatus, ChatType

from libs.common.events import SECOND_NS
from services.alerts.policy.access import Said

ALLOWED: Final = ("message", "callback_query", "my_chat_member")
"""Kinds of update that the bot asks for."""
_AWAY: Final = frozenset({ChatMemberStatus.BANNED, ChatMemberStatus.LEFT})


class Pressed(Struct, frozen=True, kw_only=True):
    """A button."""

    query_id: str
    user_id: int
    chat_id: int | None
    """None: the message is not known to Telegram any more."""
    private: bool
    data: str


class Stands(Struct, frozen=True, kw_only=True):
    """Whether a chat takes our messages."""

    chat_id: int
    private: bool
    takes: bool


class Became(Struct, frozen=True, kw_only=True):
    """A group has another id now."""

    chat_id: int
    to: int


Heard: TypeAlias = Said | Pressed | Stands | Became


def read(update: Update) -> Heard | None:
    """Return what an update says to us; None for what does not concern us."""
    if update.callback_query is not None:
        return _pressed(update.callback_query)
    if update.my_chat_member is not None:
        return _stands(update.my_chat_member)
    message = update.message or update.edited_message
    return None if message is None else _said(message, edited=update.edited_message is not None)


def clean(text: str) -> str:
    """Return text that can be stored: without NUL and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _said(message: Message, *, edited: bool) -> Heard | None:
    if message.migrate_to_chat_id is not None:
        return Became(chat_id=message.chat.id, to=message.migrate_to_chat_id)
    if message.text is None:
        return None
    user = message.from_user
    return Said(
        text=clean(message.text),
        user_id=None if user is None else user.id,
        chat_id=message.chat.id,
        message_id=message.message_id,
        at_ns=round(message.date.timestamp()) * SECOND_NS,
        private=message.chat.type == ChatType.PRIVATE,
        by_bot=message.via_bot is not None or (user is not None and user.is_bot),
        for_chat=message.sender_chat is not None or message.chat.type == ChatType.CHANNEL,
        forwarded=message.forward_origin is not None or bool(message.is_automatic_forward),
        edited=edited,
    )


def _pressed(query: CallbackQuery) -> Pressed:
    chat = None if query.message is None else query.message.chat
    return Pressed(
        query_id=query.id,
        user_id=query.from_user.id,
        chat_id=None if chat is None else chat.id,
        private=chat is not None and chat.type == ChatType.PRIVATE,
        data=clean(query.data or ""),
    )


def _stands(change: ChatMemberUpdated) -> Stands:
    return Stands(
        chat_id=change.chat.id,
        private=change.chat.type == ChatType.PRIVATE,
        takes=change.new_chat_member.status not in _AWAY,
    )
