"""What is wrong with a condition and where in; the words and the picture that its author reads out."""

import unicodedata
from typing import Final

_SHOWN: Final = 60
"""Characters of the author's text that a picture shows."""


class Fault(ValueError):
    """A condition that is refused."""

    column: int
    """1-based, in characters of the author's text; one behind its end where something is missing there."""
    length: int
    """Characters the fault is about, at least 1."""
    reason: str
    hint: str

    def __init__(self, column: int, length: int, reason: str, hint: str = "") -> None:
        super().__init__(f"column {column}: {reason}" + (f" ({hint})" if hint else ""))
        self.column, self.length, self.reason, self.hint = column, length, reason, hint

    def shown(self, text: str) -> str:
        """Return three lines, to be read in a fixed-width font: the message, `text` round the place, a `^` under it.

        A long text is cut to 60 characters; what has no width of one, or cannot be seen, is drawn as `?`.
        """
        at = self.column - 1
        first = max(0, min(at - _SHOWN // 2, len(text) - _SHOWN))
        line = visible(text[first : first + _SHOWN])
        marks = "^" * max(1, min(self.length, first + len(line) - at))
        return f"{self}\n{line}\n{' ' * (at - first)}{marks}"


def visible(text: str) -> str:
    """Return `text` with each character that is not one visible cell wide replaced by `?`."""
    return "".join(one if _plain(one) else "?" for one in text)


def _plain(one: str) -> bool:
    if " " <= one <= "~":
        return True
    return unicodedata.category(one)[0] in "LNPS" and unicodedata.east_asian_width(one) not in "WF"
