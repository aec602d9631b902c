"""Why a stream ends, as codes that its client can act on. Pure."""

import secrets
from enum import IntEnum, unique
from typing import Final

_LEAST_MS: Final = 500
_SPREAD_MS: Final = 4500


@unique
class Close(IntEnum):
    """Codes of RFC 6455, and ours from 4400 on: the status of HTTP that says the same."""

    DRAIN = 1001
    OVERSIZE = 1009
    FULL = 1013
    BAD_REQUEST = 4400
    UNAUTHENTICATED = 4401
    REVOKED = 4403
    SLOW = 4408
    RESYNC = 4409
    RATE = 4429


def reconnect_after_ms() -> int:
    """Return when to come back after a drain: not all at once."""
    return _LEAST_MS + secrets.randbelow(_SPREAD_MS)
