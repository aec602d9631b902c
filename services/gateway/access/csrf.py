"""The word that a page sends with every change it asks for: a session in, its word out, and the comparison. Pure.

A browser sends cookies along with whatever another site makes it ask; this word it does not, and cannot read (it stands
in an answer, never in a cookie). It is an HMAC of the session: nothing is stored, and it ends with its session.
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

HEADER: Final = "x-csrf-token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_LABEL: Final = b"cryptosatx csrf\0"


class CsrfTokens:
    """Makes and compares them; the first secret makes, all of them compare: two while they are rotated."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        assert secrets, "there is a secret, or there are no sessions"
        self._keys = [hashlib.sha256(_LABEL + secret).digest() for secret in secrets]

    def of(self, family: str) -> str:
        """Return the word of a session."""
        return _word(self._keys[0], family)

    def fits(self, family: str, sent: str) -> bool:
        """Tell whether `sent` is the session's word."""
        said = sent.encode("utf-8", "replace")
        return any(hmac.compare_digest(_word(key, family).encode(), said) for key in self._keys)


def _word(key: bytes, family: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, family.encode(), "sha256")).rstrip(b"=").decode("ascii")
