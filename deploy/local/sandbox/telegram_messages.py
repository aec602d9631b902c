"""The words of a call in; a message as it stands in a chat, or why Telegram would not take them, out."""

from typing import Any, Final

from msgspec import Struct, field

from deploy.local.sandbox.telegram_call import ApiError, Call
from deploy.local.sandbox.telegram_entities import EntityError, parse_html, utf16
from deploy.local.sandbox.telegram_keyboard import Rows

MOST_UNITS: Final = 4096
MOST_CAPTION_UNITS: Final = 1024
BOT_ID: Final = 7_000_000_001
BOT: Final = {"id": BOT_ID, "is_bot": True, "first_name": "Sandbox", "username": "csx_sandbox_bot"}


class Kept(Struct, frozen=True, kw_only=True):
    """A file of a message."""

    file_id: str
    name: str
    kind: str
    size: int
    width: int = 0
    height: int = 0

    def result(self) -> dict[str, Any]:
        """Return the object of the API: a `PhotoSize` when it has a size in pixels, else a `Document`."""
        found = {"file_id": self.file_id, "file_unique_id": f"u{self.file_id}", "file_size": self.size}
        if self.width:
            return {**found, "width": self.width, "height": self.height}
        return {**found, "file_name": self.name, "mime_type": self.kind}


class Accepted(Struct, kw_only=True):
    """One message as it stands in a chat."""

    message_id: int
    chat_id: int
    at_s: float
    """Of the server's monotonic clock."""
    date: int
    text: str
    """Of a photo or document, its caption."""
    entities: list[dict[str, Any]]
    silent: bool = False
    edits: int = 0
    deleted: bool = False
    keyboard: Rows = field(default_factory=list)
    photo: Kept | None = None
    document: Kept | None = None

    def result(self) -> dict[str, Any]:
        """Return the `Message` object of the API."""
        message: dict[str, Any] = {
            "message_id": self.message_id,
            "date": self.date,
            "chat": chat_object(self.chat_id),
            "from": BOT,
        }
        has_file = self.photo or self.document
        if self.text or not has_file:
            message["caption" if has_file else "text"] = self.text
        if self.entities:
            message["caption_entities" if has_file else "entities"] = self.entities
        if self.photo:
            message["photo"] = [self.photo.result()]
        if self.document:
            message["document"] = self.document.result()
        if self.keyboard:
            message["reply_markup"] = {"inline_keyboard": self.keyboard}
        return message


def chat_object(chat_id: int) -> dict[str, Any]:
    """Return the `Chat` of an id: positive ones are people, those below -100... supergroups, others groups."""
    if chat_id > 0:
        return {"id": chat_id, "type": "private"}
    return {"id": chat_id, "type": "supergroup" if str(chat_id).startswith("-100") else "group"}


def words(call: Call) -> tuple[str, list[dict[str, Any]]]:
    """Return the text of a call and its entities, trimmed as Telegram trims it.

    Raises:
        ApiError: broken markup, nothing to read, or over 4,096 UTF-16 units after parsing.
    """
    text, entities = _parsed(call, call.text("text"))
    if not text:
        raise ApiError(400, "Bad Request: message text is empty")
    if utf16(text) > MOST_UNITS:
        raise ApiError(400, "Bad Request: message is too long")
    return text, entities


def caption(call: Call) -> tuple[str, list[dict[str, Any]]]:
    """Return the caption of a call and its entities; it may be absent.

    Raises:
        ApiError: broken markup, or over 1,024 UTF-16 units after parsing.
    """
    text, entities = _parsed(call, call.text("caption"))
    if utf16(text) > MOST_CAPTION_UNITS:
        raise ApiError(400, "Bad Request: message caption is too long")
    return text, entities


def _parsed(call: Call, source: str) -> tuple[str, list[dict[str, Any]]]:
    mode = call.text("parse_mode")
    if not mode:
        return source.strip(), []
    if mode.lower() != "html":
        raise ApiError(400, "Bad Request: unsupported parse_mode")
    try:
        return _trimmed(*parse_html(source))
    except EntityError as e:
        raise ApiError(400, f"Bad Request: can't parse entities: {e}") from e


def _trimmed(text: str, entities: list[dict[str, Any]]) -> tuple[str, list[dict[str, Any]]]:
    kept = text.strip()
    if kept == text:
        return text, entities
    before, units = utf16(text[: len(text) - len(text.lstrip())]), utf16(kept)
    moved = []
    for entity in entities:
        begin = max(0, entity["offset"] - before)
        end = min(units, entity["offset"] + entity["length"] - before)
        if end > begin:
            moved.append({**entity, "offset": begin, "length": end - begin})
    return kept, moved
