"""What ties an answer to its request and its log: a request's own words in, ids out."""

import re
import secrets
from random import Random
from typing import Final

_chance: Final = Random(secrets.randbits(128)).getrandbits  # noqa: S311 - a name, not a secret
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,64}")
_TRACEPARENT: Final = re.compile(rb"00-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-[0-9a-f]{2}")


def request_id(sent: bytes | None, trace: str) -> str:
    """Return the id that the client gave, else its trace's, else one of chance."""
    if sent is not None and _REQUEST_ID.fullmatch(sent):
        return sent.decode()
    return trace or f"{_chance(64):016x}"


def trace_of(sent: bytes | None) -> str:
    """Return the trace that a W3C `traceparent` names; empty where it names none."""
    found = _TRACEPARENT.fullmatch(sent) if sent else None
    if found is None or not found["trace"].strip(b"0") or not found["span"].strip(b"0"):
        return ""
    return found["trace"].decode()
