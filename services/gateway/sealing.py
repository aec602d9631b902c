"""Answers that hold a secret, kept for whoever repeats the request: bytes and the request's own key in, sealed out.

The key of the seal is HKDF-SHA256 of our secret, salted with the idempotency key, of which we keep only a hash: neither
a dump of the table nor the secret alone opens it, only who sent the request.
"""

import secrets as chance
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_PURPOSE: Final = b"cryptosatx idempotency"


class Seal:
    """Seals with the first secret, opens with any: two while they are rotated."""

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        self._secrets = tuple(secrets)

    def close(self, text: bytes, key: str, about: bytes) -> bytes:
        """Return `text` sealed, bound to `about`; empty without a secret, which nobody opens again."""
        if not self._secrets:
            return b""
        nonce = chance.token_bytes(_NONCE_BYTES)
        return nonce + _cipher(self._secrets[0], key).encrypt(nonce, text, about)

    def open(self, sealed: bytes, key: str, about: bytes) -> bytes | None:
        """Return what was sealed; None: it does not open."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for secret in self._secrets if text else ():
            try:
                return _cipher(secret, key).decrypt(nonce, text, about)
            except InvalidTag:
                continue
        return None


def _cipher(secret: bytes, key: str) -> ChaCha20Poly1305:
    derive = HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=key.encode(), info=_PURPOSE)
    return ChaCha20Poly1305(derive.derive(secret))
