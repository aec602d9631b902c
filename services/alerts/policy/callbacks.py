"""What a button does in; 64 characters that nobody can forge, move or keep for ever, out; and back. Pure.

Behind the base64url, big-endian: version u8, action u8, expiry u32 (Unix seconds), nonce 6, subject 16, argument u32,
MAC 16. The MAC (HMAC-SHA256, its first half) is over all before it and over chat and user, which are not in the data:
a button counts in the chat that it was made for, and for its user where it has one.
"""

import base64
import binascii
import hashlib
import hmac
import struct
from collections.abc import Sequence
from enum import IntEnum, unique
from typing import Final

from msgspec import Struct

from libs.common.events import SECOND_NS

VERSION: Final = 1
ANYBODY: Final = 0
"""The user of a button that everyone in the chat may press."""
NONCE_BYTES: Final = 6
SUBJECT_BYTES: Final = 16
MOST_KEYS: Final = 2
_FIELDS: Final = struct.Struct(">BBI6s16sI")
_BOUND: Final = struct.Struct(">qq")
_MAC_BYTES: Final = 16
_CHARACTERS: Final = 64
_LABEL: Final = b"csx callback data 1"


@unique
class Action(IntEnum):
    """What a press asks for; numbers are never used again for something else."""

    EVIDENCE = 1
    CHART = 2
    MUTE = 3
    USEFUL = 4
    USELESS = 5
    PANIC = 6


_NUMBERS: Final = frozenset(action.value for action in Action)


class Press(Struct, frozen=True, kw_only=True):
    """What a button says."""

    action: Action
    expires_s: int
    """Unix seconds; from then on it says nothing."""
    nonce: bytes
    """Six bytes; what acts does so once for each."""
    subject: bytes = bytes(SUBJECT_BYTES)
    """Sixteen bytes: an alert's id."""
    argument: int = 0


class Refused(ValueError):
    """Data that is not obeyed; the message may be shown."""


def derived_key(secret: str) -> bytes:
    """Return a key for who has set none: the same in every process that has the secret."""
    return hmac.digest(secret.encode(), _LABEL, hashlib.sha256)


def nonce_of(key: bytes, what: str) -> bytes:
    """Return the nonce of `what`: the same each time, so that a message sent twice is one story."""
    return hmac.digest(key, b"nonce " + what.encode("utf-8", "surrogatepass"), hashlib.sha256)[:NONCE_BYTES]


def pack(press: Press, key: bytes, *, chat_id: int, user_id: int = ANYBODY) -> str:
    """Return the data of a button in `chat_id`, for `user_id` alone unless that is `ANYBODY`.

    Raises:
        ValueError: nonce or subject have another length.
    """
    if (len(press.nonce), len(press.subject)) != (NONCE_BYTES, SUBJECT_BYTES):
        raise ValueError("a nonce has 6 bytes, a subject 16")
    fields = _FIELDS.pack(VERSION, press.action, press.expires_s, press.nonce, press.subject, press.argument)
    return base64.urlsafe_b64encode(fields + _mac(key, fields, chat_id, user_id)).decode()


def unpack(data: str, keys: Sequence[bytes], *, chat_id: int, user_id: int, now_ns: int) -> Press:
    """Return what a button says that `user_id` pressed in `chat_id`; `keys`: the newest, and the one before it.

    Raises:
        Refused: it was not made by us, for this chat, or for this user; or it is too old.
    """
    packed = _decoded(data)
    fields, mac = packed[: _FIELDS.size], packed[_FIELDS.size :]
    ours = [_mac(key, fields, chat_id, user) for key in keys for user in (ANYBODY, user_id)]
    if not any([hmac.compare_digest(mac, one) for one in ours]):  # noqa: C419  (all are compared, in the same time)
        raise Refused("This button is not for you, or not of this chat")
    version, action, expires_s, nonce, subject, argument = _FIELDS.unpack(fields)
    if version != VERSION or action not in _NUMBERS:
        raise Refused("This button is of another version: ask for a new message")
    if now_ns >= expires_s * SECOND_NS:
        raise Refused("This button is too old: ask again")
    return Press(action=Action(action), expires_s=expires_s, nonce=nonce, subject=subject, argument=argument)


def _decoded(data: str) -> bytes:
    try:
        packed = base64.b64decode(data.encode("ascii"), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as e:
        raise Refused("This button is not ours") from e
    if base64.urlsafe_b64encode(packed).decode() != data or len(data) != _CHARACTERS:
        raise Refused("This button is not ours")
    return packed


def _mac(key: bytes, fields: bytes, chat_id: int, user_id: int) -> bytes:
    return hmac.digest(key, _LABEL + fields + _BOUND.pack(chat_id, user_id), hashlib.sha256)[:_MAC_BYTES]
