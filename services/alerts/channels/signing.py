"""A body and our secrets in, its signature header out; and the check that a receiver makes of it.

What is signed: the bytes `<timestamp>.<id>.<body>`, with HMAC-SHA256 (RFC 2104). Timestamp and id hold no dot, so one
text has one reading. While secrets rotate the header carries one signature by each; one that fits is enough.
"""

import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

VERSION: Final = "v1"
SECRETS_MOST: Final = 2
SECRET_BYTES: Final = 16
"""A shorter secret can be guessed."""
WINDOW_S: Final = 300

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_SIGNATURES_MOST: Final = 8


def sign(secret: bytes, timestamp: str, delivery_id: str, body: bytes) -> str:
    """Return the signature, 64 hexadecimal digits.

    Raises:
        ValueError: a timestamp or id that would make the signed text ambiguous.
    """
    if not _TIMESTAMP.fullmatch(timestamp) or not _ID.fullmatch(delivery_id):
        raise ValueError("a timestamp is decimal seconds; an id is letters, digits, - and _")
    return hmac.new(secret, f"{timestamp}.{delivery_id}.".encode() + body, hashlib.sha256).hexdigest()


def header(secrets: Sequence[bytes], timestamp: str, delivery_id: str, body: bytes) -> str:
    """Return the value of `X-Csx-Signature`: `v1=<hex>`, one for each secret, separated by commas."""
    return ",".join(f"{VERSION}={sign(secret, timestamp, delivery_id, body)}" for secret in secrets)


def verify(
    secrets: Sequence[bytes],
    *,
    timestamp: str,
    delivery_id: str,
    signature: str,
    body: bytes,
    now_s: float,
    window_s: float = WINDOW_S,
) -> bool:
    """Return whether the delivery is ours and of now: what a receiver asks before it reads `body`.

    Every secret is compared with every signature, each in constant time. A delivery older or newer than `window_s` is
    refused, so that one overheard cannot be played again later; within the window the receiver remembers the ids.
    """
    if not _TIMESTAMP.fullmatch(timestamp) or not _ID.fullmatch(delivery_id):
        return False
    if abs(now_s - int(timestamp)) > window_s:
        return False
    parts = signature.split(",", _SIGNATURES_MOST)[:_SIGNATURES_MOST]
    given = [part.strip().removeprefix(f"{VERSION}=").encode() for part in parts if part.strip().startswith("v1=")]
    fits = False
    for secret in secrets:
        ours = sign(secret, timestamp, delivery_id, body).encode()
        for one in given:
            fits |= hmac.compare_digest(ours, one)
    return fits
