"""A message of any length in; messages that Telegram takes, with every character, entity and tag in place, out. Pure.

Lengths are UTF-16 units after parsing, as Telegram counts them. A part ends at a line's end where there is one, else
at a space, else between two characters as a reader sees them (no cut inside an emoji with its modifiers). Tags that
are open at a cut are closed and opened again. Blanks at a cut go, as Telegram itself removes them from both ends of a
message.
"""

import html
import re
import unicodedata
from typing import Final

from msgspec import Struct

from services.alerts.policy.markup import MESSAGE_UNITS, Piece, units

MOST_ENTITIES: Final = 100
"""More of one message Telegram ignores."""

_TAGS: Final = frozenset(
    "b strong i em u ins s strike del tg-spoiler code pre a blockquote".split()  # noqa: SIM905  (read as a table)
)
_TOKEN: Final = re.compile(
    r"(?P<end></(?P<closed>[^\s>]+)\s*>)"
    r"|(?P<start><(?P<opened>[^\s>/<]+)[^<>]*>)"
    r"|(?P<escape>&(?:lt|gt|amp|quot|\#\d{1,7}|\#x[0-9a-fA-F]{1,6});)"
    r"|(?P<character>[^<])",
    re.DOTALL,
)
_NAMED: Final = {"&lt;": "<", "&gt;": ">", "&amp;": "&", "&quot;": '"'}
_JOINER: Final = "\u200d"


class _Tag(Struct, frozen=True):
    number: int
    """Of its opening: two elements of one name are two entities."""
    name: str
    source: str


class _Character(Struct, frozen=True):
    shown: str
    source: str
    tags: tuple[_Tag, ...]


def split(piece: Piece, limit: int = MESSAGE_UNITS) -> list[Piece]:
    """Return the piece in parts of at most `limit` (>= 2) UTF-16 units and 100 entities each, in order.

    A piece that fits comes back as it is. HTML that is no valid markup is cut as its plain words. What is blank from
    end to end has no parts: Telegram takes no empty message.
    """
    characters = _read(piece.html)
    if characters is None:
        characters = [_Character(one, html.escape(one, quote=True), ()) for one in piece.text]
    elif _length(characters, limit) == len(characters):
        return [piece] if not _blank(characters) else []
    parts = []
    while characters := _trimmed(characters):
        room = _length(characters, limit)
        cut = room if room == len(characters) else _cut(characters, room)
        parts.append(_render(_trimmed(characters[:cut])))
        characters = characters[cut:]
    return parts


def _read(source: str) -> list[_Character] | None:
    """Return what a reader sees, character by character, or None when the markup is broken."""
    characters: list[_Character] = []
    tags: tuple[_Tag, ...] = ()
    at, opened = 0, 0
    while at < len(source):
        found = _TOKEN.match(source, at)
        if found is None:
            return None
        at = found.end()
        if found["start"]:
            if (name := found["opened"].lower()) not in _TAGS:
                return None
            if len(tags) == MOST_ENTITIES:
                return None
            tags = (*tags, _Tag(opened, name, found["start"]))
            opened += 1
        elif found["end"]:
            if not tags or tags[-1].name != found["closed"].lower():
                return None
            tags = tags[:-1]
        else:
            characters += [_Character(one, written, tags) for one, written in _shown(found[0])]
    return None if tags else characters


def _shown(source: str) -> list[tuple[str, str]]:
    """Return a token's characters, each with what it is written as."""
    if len(source) == 1:
        return [(source, html.escape(source, quote=True))]
    if source in _NAMED:
        return [(_NAMED[source], source)]
    code = int(source[3:-1], 16) if source[2] == "x" else int(source[2:-1])
    if 0 < code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF:
        return [(chr(code), source)]
    return [(one, html.escape(one, quote=True)) for one in source]  # no character: Telegram shows it as written


def _length(characters: list[_Character], limit: int) -> int:
    """Return how many of the characters one message takes."""
    room, entities = limit, set[int]()
    for number, character in enumerate(characters):
        room -= units(character.shown)
        entities.update(tag.number for tag in character.tags)
        if room < 0 or len(entities) > MOST_ENTITIES:
            return number
    return len(characters)


def _cut(characters: list[_Character], room: int) -> int:
    """Return where to cut, at most at `room`: at the last line's end, else the last blank, else between clusters."""
    shown = [character.shown for character in characters[: room + 1]]
    for ends in (lambda one: one == "\n", str.isspace):
        for at in range(room, 0, -1):
            if ends(shown[at]):
                return at
    for at in range(room, 0, -1):
        if not _joined(shown, at):
            return at
    return max(1, room)


def _joined(shown: list[str], at: int) -> bool:
    """Return whether a cut before `at` would break one character as readers see it."""
    before, after = shown[at - 1], shown[at]
    if _flag(after):
        flags = next((back for back in range(at) if not _flag(shown[at - 1 - back])), at)
        return flags % 2 == 1  # two letters are one flag
    return (
        _JOINER in {before, after}
        or unicodedata.category(after)[0] == "M"
        or "\U0001f3fb" <= after <= "\U0001f3ff"  # the colour of a skin
        or "\U000e0020" <= after <= "\U000e007f"  # the tags of a region's flag
        or ("\ud800" <= before <= "\udbff" and "\udc00" <= after <= "\udfff")
    )


def _flag(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _blank(characters: list[_Character]) -> bool:
    return all(character.shown.isspace() for character in characters)


def _trimmed(characters: list[_Character]) -> list[_Character]:
    begin, end = 0, len(characters)
    while begin < end and characters[begin].shown.isspace():
        begin += 1
    while end > begin and characters[end - 1].shown.isspace():
        end -= 1
    return characters[begin:end]


def _render(characters: list[_Character]) -> Piece:
    written: list[str] = []
    tags: tuple[_Tag, ...] = ()
    for character in [*characters, _Character("", "", ())]:
        if character.tags != tags:
            kept = _common(tags, character.tags)
            written += [f"</{tag.name}>" for tag in reversed(tags[kept:])]
            written += [tag.source for tag in character.tags[kept:]]
            tags = character.tags
        written.append(character.source)
    return Piece("".join(written), "".join(character.shown for character in characters))


def _common(some: tuple[_Tag, ...], others: tuple[_Tag, ...]) -> int:
    for number, (one, other) in enumerate(zip(some, others, strict=False)):
        if one.number != other.number:
            return number
    return min(len(some), len(others))
