"""Telegram HTML in; the plain text and its entities, or the reason why Telegram would refuse it, out.

Follows the Bot API's documented HTML style (core.telegram.org/bots/api#html-style) and the wording of the errors
of Telegram's own parser. Offsets and lengths of entities count UTF-16 units, offsets in errors count UTF-8 bytes.
"""

import re
from typing import Any, Final

_TYPES: Final = {
    "b": "bold",
    "strong": "bold",
    "i": "italic",
    "em": "italic",
    "u": "underline",
    "ins": "underline",
    "s": "strikethrough",
    "strike": "strikethrough",
    "del": "strikethrough",
    "tg-spoiler": "spoiler",
    "code": "code",
    "pre": "pre",
    "a": "text_link",
    "blockquote": "blockquote",
}
_CHARACTERS: Final = {"lt": "<", "gt": ">", "amp": "&", "quot": '"'}
_REFERENCE: Final = re.compile(r"&(?:#(?P<decimal>\d{1,7})|#x(?P<hexadecimal>[0-9a-fA-F]{1,6})|(?P<name>[a-z]+));")
_START: Final = re.compile(r"<(?P<name>[^\s>/][^\s>]*)(?P<attributes>[^>]*)>")
_END: Final = re.compile(r"</(?P<name>[^\s>]*)\s*>")
_ATTRIBUTE: Final = re.compile(
    r"""\s*(?P<name>[a-zA-Z-]+)(?:\s*=\s*(?:"(?P<a>[^"]*)"|'(?P<b>[^']*)'|(?P<c>[\w.-]+)))?"""
)

MOST_ENTITIES: Final = 100


class EntityError(ValueError):
    """Markup that Telegram refuses; the message is what follows `can't parse entities: `."""


def utf16(text: str) -> int:
    """Return the length in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def parse_html(source: str) -> tuple[str, list[dict[str, Any]]]:
    """Return the text and its entities, in order of their start, at most 100.

    Raises:
        EntityError: an unknown, unclosed, crossed or stray tag.
    """
    text: list[str] = []
    units, at = 0, 0
    open_tags: list[tuple[str, int, dict[str, Any]]] = []
    entities: list[dict[str, Any]] = []
    while at < len(source):
        if source[at] == "<":
            at_byte = len(source[:at].encode())
            if source.startswith("</", at):
                at = _close(source, at, at_byte, units, open_tags, entities)
            else:
                at, tag, extra = _open(source, at, at_byte)
                open_tags.append((tag, units, extra))
            continue
        piece, at = _character(source, at)
        text.append(piece)
        units += utf16(piece)
    if open_tags:
        raise EntityError(f'Can\'t find end tag corresponding to start tag "{open_tags[-1][0]}"')
    entities.sort(key=lambda entity: (entity["offset"], -entity["length"]))
    return "".join(text), entities[:MOST_ENTITIES]


def _open(source: str, at: int, at_byte: int) -> tuple[int, str, dict[str, Any]]:
    match = _START.match(source, at)
    if match is None:
        raise EntityError(
            f"Unclosed start tag at byte offset {at_byte}" if ">" not in source[at:] else _unsupported("", at_byte)
        )
    tag = match["name"].lower()
    if tag not in _TYPES:
        raise EntityError(_unsupported(tag, at_byte))
    return match.end(), tag, _attributes(tag, match["attributes"], at_byte)


def _attributes(tag: str, source: str, at_byte: int) -> dict[str, Any]:
    found: dict[str, str] = {}
    at = 0
    while source[at:].strip():
        match = _ATTRIBUTE.match(source, at)
        if match is None:
            raise EntityError(f'Empty attribute name in the tag "{tag}" at byte offset {at_byte}')
        found[match["name"].lower()] = match["a"] or match["b"] or match["c"] or ""
        at = match.end()
    return {"url": found.get("href", "")} if tag == "a" else {}


def _close(
    source: str,
    at: int,
    at_byte: int,
    units: int,
    open_tags: list[tuple[str, int, dict[str, Any]]],
    entities: list[dict[str, Any]],
) -> int:
    if not open_tags:
        raise EntityError(f"Unexpected end tag at byte offset {at_byte}")
    match = _END.match(source, at)
    if match is None:
        raise EntityError(f"Unclosed end tag at byte offset {at_byte}")
    tag, begin, extra = open_tags.pop()
    found = match["name"].lower()
    if found and found != tag:
        raise EntityError(f'Unmatched end tag at byte offset {at_byte}, expected "</{tag}>", found "</{found}>"')
    if units > begin and not (tag == "a" and not extra["url"]):
        entities.append({"type": _TYPES[tag], "offset": begin, "length": units - begin, **extra})
    return match.end()


def _character(source: str, at: int) -> tuple[str, int]:
    match = _REFERENCE.match(source, at)
    if match is None:
        return source[at], at + 1
    if name := match["name"]:
        return (_CHARACTERS[name], match.end()) if name in _CHARACTERS else ("&", at + 1)
    code = int(match["decimal"]) if match["decimal"] else int(match["hexadecimal"], 16)
    valid = 0 < code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF
    return (chr(code), match.end()) if valid else ("&", at + 1)


def _unsupported(tag: str, at_byte: int) -> str:
    return f'Unsupported start tag "{tag}" at byte offset {at_byte}'
