"""The text of a condition in; its words with their places, or the first character that may not stand there, out."""

import re
import unicodedata
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from libs.common.conditions.language import limits
from libs.common.conditions.language.fault import Fault, visible


class Sort(Enum):
    """What a token is."""

    NAME = auto()
    NUMBER = auto()
    TEXT = auto()
    TRUTH = auto()
    AND_OR = auto()
    NOT = auto()
    COMPARISON = auto()
    IN = auto()
    ARITHMETIC = auto()
    OPEN = auto()
    CLOSE = auto()
    OPEN_LIST = auto()
    CLOSE_LIST = auto()
    COMMA = auto()


class Token(Struct, frozen=True):
    """One word or sign."""

    sort: Sort
    text: str
    """As its author wrote it."""
    cel: str
    """As CEL reads it: numbers are doubles, `and or not` are signs."""
    column: int
    """1-based, in characters."""

    def fault(self, reason: str, hint: str = "") -> Fault:
        """Return a fault about this token."""
        return Fault(self.column, len(self.text), reason, hint)


_PIECES: Final = re.compile(
    r"""(?P<space>[ ]+)
    |(?P<name>[A-Za-z_][A-Za-z_0-9]*)
    |(?P<number>(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    |(?P<quote>["'])
    |(?P<sign>&&|\|\||[=!<>]=|[!<>+\-*/(),\[\]])""",
    re.VERBOSE,
)
_SIGNS: Final = {
    "&&": Sort.AND_OR,
    "||": Sort.AND_OR,
    "!": Sort.NOT,
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), Sort.COMPARISON),
    **dict.fromkeys("+-*/", Sort.ARITHMETIC),
    "(": Sort.OPEN,
    ")": Sort.CLOSE,
    "[": Sort.OPEN_LIST,
    "]": Sort.CLOSE_LIST,
    ",": Sort.COMMA,
}
WORDS: Final = {
    "and": (Sort.AND_OR, "&&"),
    "or": (Sort.AND_OR, "||"),
    "not": (Sort.NOT, "!"),
    "in": (Sort.IN, "in"),
    "true": (Sort.TRUTH, "true"),
    "false": (Sort.TRUTH, "false"),
}
"""Words that are no names, and what CEL calls them."""
_HINTS: Final = {
    "=": "equality is ==",
    "&": "write and, or &&",
    "|": "write or, or ||",
    ".": "names have no parts, and a number has digits on both sides of its point",
    "%": "5 % is 0.05",
    "\\": "a text ends at its quote, and nothing in it is escaped",
    "{": "a list is in [ ]",
    "?": "write and, or, not",
    ";": "one condition, without an end sign",
    "#": "a condition has no comments",
    "`": "text is in \" or '",
    "\n": "write it on one line",
    "\r": "write it on one line",
    "\t": "words are separated by spaces",
    "\N{GREATER-THAN OR EQUAL TO}": "write >=",
    "\N{LESS-THAN OR EQUAL TO}": "write <=",
    "\N{NOT EQUAL TO}": "write !=",
    "\N{MULTIPLICATION SIGN}": "write *",
    "\N{MINUS SIGN}": "write -",
    "\N{EN DASH}": "write -",
    "\N{LEFT DOUBLE QUOTATION MARK}": 'write "',
    "\N{RIGHT DOUBLE QUOTATION MARK}": 'write "',
}
_TAIL: Final = re.compile(r"[A-Za-z_0-9.]*")
_LARGE: Final = {"k": "000", "m": "000000", "b": "000000000"}


def tokens(text: str) -> tuple[Token, ...]:
    """Return the tokens of `text`, in order.

    Raises:
        Fault: it is too long, or holds something that no condition may hold; the leftmost such place.
    """
    _check_size(text)
    found: list[Token] = []
    at = 0
    while at < len(text):
        piece = _PIECES.match(text, at)
        if piece is None:
            raise _refused(text[at], at)
        if piece.lastgroup == "space":
            at = piece.end()
            continue
        token = _token(text, at, piece)
        if len(found) == limits.TOKENS:
            raise token.fault(f"a condition has at most {limits.TOKENS} words and signs")
        found.append(token)
        at += len(token.text)
    return tuple(found)


def _check_size(text: str) -> None:
    size = 0
    for at, one in enumerate(text):
        size += len(one.encode("utf-8", "surrogatepass"))
        if size > limits.BYTES:
            raise Fault(at + 1, 1, f"a condition has at most {limits.BYTES} bytes")


def _token(text: str, at: int, piece: re.Match[str]) -> Token:
    found, column = piece.group(), at + 1
    match piece.lastgroup:
        case "name":
            sort, cel = WORDS.get(found, (Sort.NAME, found))
            return Token(sort, found, cel, column)
        case "number":
            return _number(text, at, found)
        case "quote":
            return _quoted(text, at)
        case _:
            return Token(_SIGNS[found], found, found, column)


def _number(text: str, at: int, found: str) -> Token:
    tail = _TAIL.match(text, at + len(found))
    rest = tail.group() if tail else ""
    if len(found) + len(rest) > limits.NUMBER:
        raise Fault(at + 1, len(found) + len(rest), f"a number has at most {limits.NUMBER} characters")
    if rest:
        zeros = _LARGE.get(rest.lower())
        hint = f"write {found}{zeros}" if zeros and found.isdigit() else "digits, a point, digits; 2000000, 0.05, 1e6"
        raise Fault(at + 1, len(found) + len(rest), f"{found}{rest} is not a number", hint)
    value = float(found)
    if value > limits.LARGEST:
        raise Fault(at + 1, len(found), f"a number is at most {limits.LARGEST:g}")
    if value < limits.SMALLEST and (value or found.lower().split("e")[0].strip("0.")):
        raise Fault(at + 1, len(found), f"a number that is not 0 is at least {limits.SMALLEST:g}")
    cel = repr(value)
    return Token(Sort.NUMBER, found, cel, at + 1)


def _quoted(text: str, at: int) -> Token:
    end = text.find(text[at], at + 1)
    for place in range(at + 1, len(text) if end < 0 else end):
        if text[place] == "\\" or unicodedata.category(text[place])[0] == "C" or text[place] in "\u2028\u2029":
            raise _refused(text[place], place)
        if place - at > limits.STRING:
            raise Fault(at + 1, place - at + 1, f"a text has at most {limits.STRING} characters")
    if end < 0:
        raise Fault(at + 1, 1, f"this {text[at]} has no second one", f"end the text with {text[at]}")
    found = text[at : end + 1]
    return Token(Sort.TEXT, found, found, at + 1)


def _refused(one: str, at: int) -> Fault:
    name = one if " " < one <= "~" else f"U+{ord(one):04X} {unicodedata.name(one, 'without a name')}"
    reason = f"{visible(name)} has no place in a condition"
    spoken = one > "~" and unicodedata.category(one)[0] != "C"
    return Fault(at + 1, 1, reason, _HINTS.get(one, "only text in quotes may hold it" if spoken else ""))
