"""What no log may say: texts and whatever else a record carries in, the same without its secrets out.

Two ways, because neither is enough: what this process was given as a secret is known word by word; what passes through
it (keys and tokens of people, passwords in URLs) is known by its form.
"""

import re
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

HIDDEN: Final = "[hidden]"

_NAME_LENGTH: Final = 24
"""A name in a program is shorter than what is worth hiding."""

LEAST: Final = 8
"""Characters; a shorter text is no secret that could be told from a common word."""

_FORMS: Final = (
    # API keys, whole or cut: from the id's end on
    (re.compile(r"(csx_(?:live|test)_[0-9A-Za-z]{1,10})_[0-9A-Za-z]{8,}"), rf"\1_{HIDDEN}"),
    # JSON Web Tokens: a header in base64url begins so
    (re.compile(r"\beyJ[0-9A-Za-z_-]{5,}(?:\.[0-9A-Za-z_-]*){0,4}"), HIDDEN),
    # tokens of Telegram bots, which stand in the path of each request
    (re.compile(r"(?<![0-9])([0-9]{5,12}):[0-9A-Za-z_-]{30,}"), rf"\1:{HIDDEN}"),
    # passwords in URLs
    (
        re.compile(r"(?P<head>\b[a-z][a-z0-9+.-]{1,20}://[^\s:/?#@\"']*:)[^\s/?#@\"']+(?=@)", re.IGNORECASE),
        rf"\g<head>{HIDDEN}",
    ),
    # credentials in headers
    (re.compile(r"(?P<head>\b(?:bearer|basic)[ \t]+)[^\s,;\"']{8,}", re.IGNORECASE), rf"\g<head>{HIDDEN}"),
    # fields and parameters by their names
    (
        re.compile(
            r"(?P<head>(?:password|passwd|secret|token|api[_-]?key|ticket|credential|authorization|cookie)"
            r"[\"']?[ \t]*[=:][ \t]*[\"']?)(?P<word>(?!\[hidden\])[^\s,;&\"'(){}\[\]<>]{8,})",
            re.IGNORECASE,
        ),
        rf"\g<head>{HIDDEN}",
    ),
    # private keys
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), HIDDEN),
)


class Redaction:
    """Hides secrets; knows those of its process."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._known: re.Pattern[str] | None = None
        words: set[str] = set()
        for secret in secrets:
            words |= _spellings(secret)
        if words:
            longest_first = sorted(words, key=lambda word: (-len(word), word))
            self._known = re.compile("|".join(map(re.escape, longest_first)))

    def text(self, text: str) -> str:
        """Return `text` without secrets, and without halves of pairs, which have no UTF-8."""
        if len(text) >= LEAST:
            if self._known is not None and self._known.search(text):
                text = self._known.sub(HIDDEN, text)
            for form, instead in _FORMS:
                if form.search(text):  # hardly ever: a search costs a tenth of a substitution
                    text = form.sub(instead, text)
        return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()

    def value(self, value: Any) -> Any:
        """Return plain data without secrets, however deep they lie; what is no plain data becomes its text."""
        try:
            plain = msgspec.to_builtins(value, enc_hook=str, builtin_types=(bytes, bytearray), str_keys=True)
        except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
            return self.text(repr(value))
        return self._plain(plain)

    def _plain(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case bytes() | bytearray():
                return self.text(value.decode("utf-8", "backslashreplace"))
            case Mapping():
                return {self._key(str(key)): self._named(str(key), one) for key, one in value.items()}
            case list() | tuple() | set() | frozenset():
                return [self._plain(one) for one in value]
            case _:
                return value

    def _key(self, key: str) -> str:
        plain = key.isidentifier() and len(key) < _NAME_LENGTH
        return key if plain and not (self._known and self._known.search(key)) else self.text(key)

    def _named(self, name: str, value: Any) -> Any:
        return HIDDEN if _NAMES.fullmatch(name) and isinstance(value, str | bytes) and value else self._plain(value)


_NAMES: Final = re.compile(
    r"(?i)(?:.*[_-])?(?:password|passwd|secret|token|api[_-]?key|ticket|authorization|cookie|set-cookie)"
)


def _spellings(secret: str) -> set[str]:
    """Return how a secret may be written: itself, in a URL, in a JSON or Python text; and its parts, line by line."""
    found: set[str] = set()
    address = urllib.parse.urlsplit(secret) if "://" in secret else None
    whole = secret if address is None else ""
    for word in (whole, *(whole.splitlines() if "\n" in whole else ()), *(whole.split(",") if "," in whole else ())):
        if len(word.strip()) >= LEAST:
            found |= _written(word.strip())
    if address is not None and address.password and len(address.password) >= LEAST:
        found |= _written(address.password) | _written(urllib.parse.unquote(address.password))
    return found


def _written(word: str) -> set[str]:
    return {
        word,
        urllib.parse.quote(word, safe=""),
        urllib.parse.quote(word),
        urllib.parse.quote_plus(word),
        msgspec.json.encode(word).decode()[1:-1],
        repr(word)[1:-1],
    }
