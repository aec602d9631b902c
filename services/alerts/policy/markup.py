"""Any text in; text that is safe in Telegram HTML, within a bound, out. Pure.

Lengths are in UTF-16 units, as Telegram counts them, and are measured AFTER escaping: so a message made of bounded
pieces is bounded, and no cut falls inside a character or an entity.
"""

import html
import unicodedata
from typing import Final

from msgspec import Struct

MESSAGE_UNITS: Final = 4096
"""Telegram's limit of a message."""

_ELLIPSIS: Final = "…"
_DIRECTIONAL: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Bidirectional controls: they would reorder the rest of the message."""


class Piece(Struct, frozen=True):
    """One sentence, in both forms."""

    html: str
    text: str


def units(text: str) -> int:
    """Return the length in UTF-16 units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def data(value: str, limit: int) -> Piece:
    """Return foreign text on one line, escaped, its HTML at most `limit` (>= 1) UTF-16 units; a cut ends in `…`."""
    clean = _clean(value)
    escaped = html.escape(clean, quote=True)
    if units(escaped) <= limit:
        return Piece(escaped, clean)
    room = limit - units(_ELLIPSIS)
    kept = 0
    for character in clean:
        room -= units(html.escape(character, quote=True))
        if room < 0:
            break
        kept += 1
    cut = clean[:kept] + _ELLIPSIS
    return Piece(html.escape(cut, quote=True), cut)


def bold(piece: Piece) -> Piece:
    """Return the piece in bold; in plain text it stays as it is."""
    return Piece(f"<b>{piece.html}</b>", piece.text)


def code(piece: Piece) -> Piece:
    """Return the piece in a fixed-width font that a tap copies."""
    return Piece(f"<code>{piece.html}</code>", piece.text)


def link(words: str, url: str) -> Piece:
    """Return words that open `url`, which the caller has bounded; plain text shows where they lead."""
    return Piece(f'<a href="{html.escape(url, quote=True)}">{html.escape(words, quote=True)}</a>', f"{words}: {url}")


def join(*parts: Piece | str) -> Piece:
    """Return the parts in a row; a plain `str` is our own wording, without markup characters."""
    pieces = [Piece(html.escape(part, quote=True), part) if isinstance(part, str) else part for part in parts]
    return Piece("".join(piece.html for piece in pieces), "".join(piece.text for piece in pieces))


def lines(pieces: list[Piece]) -> Piece:
    """Return the pieces one below the other."""
    return Piece("\n".join(piece.html for piece in pieces), "\n".join(piece.text for piece in pieces))


def _clean(value: str) -> str:
    return " ".join("".join(_character(character) for character in value).split())


def _character(character: str) -> str:
    if character in _DIRECTIONAL:
        return ""
    match unicodedata.category(character):
        case "Cs" | "Cn":
            return "\ufffd"  # half a surrogate pair, or no character at all
        case "Cc" | "Zl" | "Zp":
            return " "
        case _:
            return character
