"""Calls of Bot API methods in; Telegram's own results and errors out. Keeps what was accepted. Time is an argument."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Struct

from deploy.local.sandbox.telegram_entities import EntityError, parse_html, utf16
from deploy.local.sandbox.telegram_floods import Floods

MOST_UNITS: Final = 4096
BOT_ID: Final = 7_000_000_001
_NOT_MODIFIED: Final = (
    "message is not modified: specified new message content and reply markup are exactly the same"
    " as a current content and reply markup of the message"
)


class ApiError(Exception):
    """An answer with `ok: false`."""

    def __init__(self, code: int, description: str, parameters: dict[str, Any] | None = None) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


class Accepted(Struct, kw_only=True):
    """One message as it stands in a chat."""

    message_id: int
    chat_id: int
    at_s: float
    """Of the server's monotonic clock."""
    date: int
    text: str
    entities: list[dict[str, Any]]
    silent: bool = False
    edits: int = 0
    deleted: bool = False

    def result(self) -> dict[str, Any]:
        """Return the `Message` object of the API."""
        kind = "private" if self.chat_id > 0 else "supergroup" if str(self.chat_id).startswith("-100") else "group"
        message = {
            "message_id": self.message_id,
            "date": self.date,
            "chat": {"id": self.chat_id, "type": kind},
            "from": {"id": BOT_ID, "is_bot": True, "first_name": "Sandbox"},
            "text": self.text,
        }
        return {**message, "entities": self.entities} if self.entities else message


class FakeBot:
    """One bot and all its chats. A chat exists when it is named in `chats`; without any, every id does."""

    def __init__(self, chats: frozenset[int] = frozenset()) -> None:
        self.chats = chats
        self.floods = Floods()
        self.accepted: list[Accepted] = []
        self._methods: dict[str, Callable[[Mapping[str, str], float, int], Any]] = {
            "getme": self._get_me,
            "sendmessage": self._send_message,
            "editmessagetext": self._edit_message_text,
            "deletemessage": self._delete_message,
        }

    def call(self, method: str, arguments: Mapping[str, str], now_s: float, date: int) -> Any:
        """Return the method's result; names of methods are case-insensitive, as in the API.

        Raises:
            ApiError: what Telegram refuses.
        """
        found = self._methods.get(method.lower())
        if found is None:
            raise ApiError(404, "Not Found")
        return found(arguments, now_s, date)

    def _get_me(self, _arguments: Mapping[str, str], _now_s: float, _date: int) -> Any:
        return {"id": BOT_ID, "is_bot": True, "first_name": "Sandbox", "username": "csx_sandbox_bot"}

    def _send_message(self, arguments: Mapping[str, str], now_s: float, date: int) -> Any:
        chat = self._chat(arguments)
        text, entities = _content(arguments)
        self._pace(chat, now_s)
        message = Accepted(
            message_id=len(self.accepted) + 1,
            chat_id=chat,
            at_s=now_s,
            date=date,
            text=text,
            entities=entities,
            silent=arguments.get("disable_notification", "").lower() == "true",
        )
        self.accepted.append(message)
        return message.result()

    def _edit_message_text(self, arguments: Mapping[str, str], now_s: float, _date: int) -> Any:
        message = self._message(arguments, "edit")
        text, entities = _content(arguments)
        if (text, entities) == (message.text, message.entities):
            raise ApiError(400, f"Bad Request: {_NOT_MODIFIED}")
        self._pace(message.chat_id, now_s)
        message.text, message.entities, message.edits = text, entities, message.edits + 1
        return message.result()

    def _delete_message(self, arguments: Mapping[str, str], _now_s: float, _date: int) -> Any:
        self._message(arguments, "delete").deleted = True
        return True

    def _message(self, arguments: Mapping[str, str], verb: str) -> Accepted:
        chat = self._chat(arguments)
        number = arguments.get("message_id", "")
        if not number.isdecimal():
            raise ApiError(400, "Bad Request: message identifier is not specified")
        for message in self.accepted[int(number) - 1 : int(number)]:
            if message.chat_id == chat and not message.deleted:
                return message
        raise ApiError(400, f"Bad Request: message to {verb} not found")

    def _chat(self, arguments: Mapping[str, str]) -> int:
        given = arguments.get("chat_id", "").strip()
        if not given:
            raise ApiError(400, "Bad Request: chat_id is empty")
        try:
            chat = int(given)
        except ValueError:
            chat = 0
        if chat == 0 or (self.chats and chat not in self.chats):
            raise ApiError(400, "Bad Request: chat not found")
        return chat

    def _pace(self, chat: int, now_s: float) -> None:
        if wait_s := self.floods.wait_s(chat, now_s):
            raise ApiError(429, f"Too Many Requests: retry after {wait_s}", {"retry_after": wait_s})


def _content(arguments: Mapping[str, str]) -> tuple[str, list[dict[str, Any]]]:
    source, mode = arguments.get("text", ""), arguments.get("parse_mode", "")
    entities: list[dict[str, Any]] = []
    if mode.lower() == "html":
        try:
            text, entities = parse_html(source)
        except EntityError as e:
            raise ApiError(400, f"Bad Request: can't parse entities: {e}") from e
    elif mode:
        raise ApiError(400, "Bad Request: unsupported parse_mode")
    else:
        text = source
    if not text.strip():
        raise ApiError(400, "Bad Request: message text is empty")
    if utf16(text) > MOST_UNITS:
        raise ApiError(400, "Bad Request: message is too long")
    return text, entities
