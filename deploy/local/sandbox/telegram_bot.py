"""Calls of Bot API methods in; Telegram's own results and errors out. Keeps what was accepted. Time is an argument."""

import inspect
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from deploy.local.sandbox.telegram_call import ApiError, Call
from deploy.local.sandbox.telegram_clock import Clock, WallClock
from deploy.local.sandbox.telegram_files import photo_size, read_upload
from deploy.local.sandbox.telegram_floods import Floods
from deploy.local.sandbox.telegram_keyboard import read_keyboard
from deploy.local.sandbox.telegram_menu import Menu
from deploy.local.sandbox.telegram_messages import BOT, Accepted, Kept, caption, words
from deploy.local.sandbox.telegram_people import Act, People
from deploy.local.sandbox.telegram_updates import Updates
from deploy.local.sandbox.telegram_webhook import Webhook

QUERY_S: Final = 15
"""How long a pressed button waits for its answer. Telegram names no number; clients give up after about so long."""
MOST_ANSWER: Final = 200
_NOT_MODIFIED: Final = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)
_TOO_OLD: Final = "query is too old and response timeout expired or query ID is invalid"


class Answered(Struct, frozen=True, kw_only=True):
    """What a user who pressed a button got to read."""

    query_id: str
    text: str
    alert: bool


class FakeBot:
    """One bot and all its chats. A chat exists when it is named in `chats`; without any, every id does."""

    def __init__(self, chats: frozenset[int] = frozenset(), clock: Clock | None = None) -> None:
        clock = clock or WallClock()
        self.chats = chats
        self.floods = Floods()
        self.accepted: list[Accepted] = []
        self.answered: list[Answered] = []
        self.files: dict[str, bytes] = {}
        self.menu = Menu()
        self.updates = Updates(clock)
        self.webhook = Webhook(self.updates, clock)
        self.people = People(self.updates, self._take_id, self._find)
        self.on_accepted: Callable[[Accepted], None] = lambda _message: None
        self._clock = clock
        self._ids = 0
        self._by_id: dict[int, Accepted] = {}
        self._methods: dict[str, Callable[[Call], Any]] = {
            "getme": _get_me,
            "sendmessage": self._send_message,
            "sendphoto": self._send_photo,
            "senddocument": self._send_document,
            "editmessagetext": self._edit_message_text,
            "editmessagereplymarkup": self._edit_message_reply_markup,
            "deletemessage": self._delete_message,
            "answercallbackquery": self._answer_callback_query,
            "getupdates": self.updates.get,
            "setwebhook": self.webhook.set,
            "deletewebhook": self.webhook.delete,
            "getwebhookinfo": self.webhook.info,
            "setmycommands": self.menu.set,
            "getmycommands": self.menu.get,
            "deletemycommands": self.menu.delete,
        }

    async def call(self, call: Call) -> Any:
        """Return the method's result; names of methods are case-insensitive, as in the API.

        Raises:
            ApiError: what Telegram refuses.
        """
        found = self._methods.get(call.method.lower())
        if found is None:
            raise ApiError(404, "Not Found")
        result = found(call)
        return await result if inspect.isawaitable(result) else result

    def act(self, act: Act) -> int | None:
        """Let a user do something now; return the id of the update, or None where the bot is not told.

        Raises:
            ValueError: it cannot happen.
        """
        return self.people.act(act, self._clock.now_ns() // 1_000_000_000)

    async def stop(self) -> None:
        """Post no more updates."""
        await self.webhook.stop()

    def _send_message(self, call: Call) -> Any:
        chat = self._chat(call)
        return self._accept(call, chat, *words(call))

    def _send_photo(self, call: Call) -> Any:
        chat, upload = self._chat(call), read_upload(call, "photo")
        width, height = photo_size(upload.content)
        text, entities = caption(call)
        kept = self._keep(upload.filename, "image/png", upload.content, width, height)
        return self._accept(call, chat, text, entities, photo=kept)

    def _send_document(self, call: Call) -> Any:
        chat, upload = self._chat(call), read_upload(call, "document")
        text, entities = caption(call)
        kept = self._keep(upload.filename, upload.kind or "application/octet-stream", upload.content)
        return self._accept(call, chat, text, entities, document=kept)

    def _keep(self, name: str, kind: str, content: bytes, width: int = 0, height: int = 0) -> Kept:
        file_id = f"file{len(self.files) + 1}"
        self.files[file_id] = content
        return Kept(file_id=file_id, name=name, kind=kind, size=len(content), width=width, height=height)

    def _accept(
        self,
        call: Call,
        chat: int,
        text: str,
        entities: list[dict[str, Any]],
        *,
        photo: Kept | None = None,
        document: Kept | None = None,
    ) -> Any:
        keyboard = read_keyboard(call)
        self._pace(chat, call.now_s)
        message = Accepted(
            message_id=self._take_id(),
            chat_id=chat,
            at_s=call.now_s,
            date=call.date,
            text=text,
            entities=entities,
            silent=call.flag("disable_notification"),
            keyboard=keyboard,
            photo=photo,
            document=document,
        )
        self.accepted.append(message)
        self._by_id[message.message_id] = message
        self.on_accepted(message)
        return message.result()

    def _edit_message_text(self, call: Call) -> Any:
        message = self._message(call, "edit")
        if message.photo or message.document:
            raise ApiError(400, "Bad Request: there is no text in the message to edit")
        text, entities = words(call)
        keyboard = read_keyboard(call)
        if (text, entities, keyboard) == (message.text, message.entities, message.keyboard):
            raise ApiError(400, f"Bad Request: {_NOT_MODIFIED}")
        self._pace(message.chat_id, call.now_s)
        message.text, message.entities, message.keyboard = text, entities, keyboard
        message.edits += 1
        return message.result()

    def _edit_message_reply_markup(self, call: Call) -> Any:
        message, keyboard = self._message(call, "edit"), read_keyboard(call)
        if keyboard == message.keyboard:
            raise ApiError(400, f"Bad Request: {_NOT_MODIFIED}")
        self._pace(message.chat_id, call.now_s)
        message.keyboard = keyboard
        message.edits += 1
        return message.result()

    def _delete_message(self, call: Call) -> Any:
        self._message(call, "delete").deleted = True
        return True

    def _answer_callback_query(self, call: Call) -> Any:
        query_id, text = call.text("callback_query_id"), call.text("text")
        if len(text) > MOST_ANSWER:
            raise ApiError(400, "Bad Request: MESSAGE_TOO_LONG")
        pressed = self.people.queries.get(query_id)
        if pressed is None or call.date - pressed > QUERY_S:
            raise ApiError(400, f"Bad Request: {_TOO_OLD}")
        del self.people.queries[query_id]
        self.answered.append(Answered(query_id=query_id, text=text, alert=call.flag("show_alert")))
        return True

    def _message(self, call: Call, verb: str) -> Accepted:
        chat, number = self._chat(call), call.text("message_id")
        if not number.isdecimal():
            raise ApiError(400, "Bad Request: message identifier is not specified")
        if (message := self._find(chat, int(number))) is None:
            raise ApiError(400, f"Bad Request: message to {verb} not found")
        return message

    def _find(self, chat: int, message_id: int) -> Accepted | None:
        message = self._by_id.get(message_id)
        return message if message and message.chat_id == chat and not message.deleted else None

    def _take_id(self) -> int:
        self._ids += 1
        return self._ids

    def _chat(self, call: Call) -> int:
        given = call.text("chat_id").strip()
        if not given:
            raise ApiError(400, "Bad Request: chat_id is empty")
        try:
            chat = int(given)
        except ValueError:
            chat = 0
        if chat == 0 or (self.chats and chat not in self.chats):
            raise ApiError(400, "Bad Request: chat not found")
        self.people.check(chat)
        return chat

    def _pace(self, chat: int, now_s: float) -> None:
        if wait_s := self.floods.wait_s(chat, now_s):
            raise ApiError(429, f"Too Many Requests: retry after {wait_s}", {"retry_after": wait_s})


def _get_me(_call: Call) -> Any:
    rights = {"can_join_groups": True, "can_read_all_group_messages": False, "supports_inline_queries": False}
    return {**BOT, **rights}
