"""What stands in a chat in, a page that looks like it out: for pictures of messages. Pure."""

import html
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, Final, TypeAlias

from msgspec import Struct

from deploy.local.sandbox.telegram_messages import Accepted

_TAGS: Final = {"bold": "b", "italic": "i", "code": "code", "pre": "pre", "strikethrough": "s", "underline": "u"}
_COMMAND: Final = re.compile(r"(?<![\w/<&;])/[a-z_]{2,32}\b")
_STYLE: Final = """
body { margin: 0; background: #fff; font: 15px/1.36 "DejaVu Sans", "Noto Sans", sans-serif; color: #16191d; }
.chat { width: 470px; padding: 14px 12px; background: #cfdfe9; display: flex; flex-direction: column; gap: 8px; }
.said { align-self: flex-end; max-width: 80%; background: #e3fecb; border-radius: 14px 14px 4px 14px;
  padding: 7px 11px; }
.told { align-self: flex-start; max-width: 94%; min-width: 52%; }
.words { background: #fff; border-radius: 14px 14px 14px 4px; padding: 7px 11px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.note { align-self: center; background: #5b7487; color: #fff; border-radius: 12px; padding: 3px 12px; font-size: 13px; }
.at { float: right; margin: 8px 0 0 12px; font-size: 11.5px; color: #6b7d8b; }
.row { display: flex; gap: 4px; margin-top: 4px; }
.key { flex: 1; text-align: center; background: #6f8ea3; color: #fff; border-radius: 8px;
  padding: 6px 4px; font-size: 14px; }
code, pre { font: 13.5px/1.36 "DejaVu Sans Mono", monospace; color: #7a2b5c; }
pre { display: inline; white-space: pre-wrap; }
a { color: #1f6fb5; text-decoration: none; }
"""


class Said(Struct, frozen=True, kw_only=True):
    """What the person wrote."""

    text: str
    at_s: int
    """Since the epoch."""


class Note(Struct, frozen=True, kw_only=True):
    """What happened in between."""

    text: str


Item: TypeAlias = Said | Note | Accepted


def page(items: Sequence[Item]) -> str:
    """Return the whole page; the chat is its one `.chat`."""
    body = "\n".join(_item(item) for item in items)
    return f'<!doctype html><meta charset="utf-8"><style>{_STYLE}</style><div class="chat">{body}</div>'


def formatted(text: str, entities: Sequence[dict[str, Any]]) -> str:
    """Return the text as HTML; offsets of entities are UTF-16 units. Commands look as clients show them."""
    units = text.encode("utf-16-le")
    ends = [at for one in entities for at in (one["offset"], one["offset"] + one["length"])]
    parts: list[str] = []
    for begin, end in pairwise(sorted({0, len(units) // 2, *ends})):
        piece = html.escape(units[2 * begin : 2 * end].decode("utf-16-le"))
        covers = [one for one in entities if one["offset"] <= begin and end <= one["offset"] + one["length"]]
        if not any(one["type"] in {"code", "pre"} for one in covers):
            piece = _COMMAND.sub(lambda found: f"<a>{found[0]}</a>", piece)
        for one in reversed(covers):
            tag = "a" if one["type"] == "text_link" else _TAGS.get(one["type"], "span")
            piece = f"<{tag}>{piece}</{tag}>"
        parts.append(piece)
    return "".join(parts)


def _item(item: Item) -> str:
    match item:
        case Said():
            return f'<div class="said">{formatted(item.text, [])}{_at(item.at_s, "")}</div>'
        case Note():
            return f'<div class="note">{html.escape(item.text)}</div>'
        case Accepted():
            marks = ("silent · " if item.silent else "") + ("edited " if item.edits else "")
            keys = "".join(
                f'<div class="row">{"".join(_key(one["text"]) for one in row)}</div>' for row in item.keyboard
            )
            words = formatted(item.text, item.entities)
            return f'<div class="told"><div class="words">{words}{_at(item.date, marks)}</div>{keys}</div>'


def _key(words: str) -> str:
    return f'<div class="key">{html.escape(words)}</div>'


def _at(at_s: int, marks: str) -> str:
    return f'<span class="at">{marks}{datetime.fromtimestamp(at_s, UTC):%H:%M}</span>'
