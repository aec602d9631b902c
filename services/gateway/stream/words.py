"""What a stream says besides its channels: welcomes, answers, beats and goodbyes, as clients read them. Pure."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.common.events import Grade
from services.gateway.problems import FieldError

RequestId = str | int | None
"""As the request had it."""


class Ready(Struct, frozen=True, kw_only=True, tag_field="type", tag="ready"):
    """The first message: who was let in, and to what."""

    session: str
    server_ns: int
    server_time: str
    epoch: str
    """Of the counts of channels that are not kept; another one: they began anew. Empty: nothing was counted yet."""
    name: str
    """Of the credential."""
    expires_ns: int | None
    channels: list[str]
    """Those that are allowed."""
    heartbeat_s: float
    limits: dict[str, int]


class Subscribed(Struct, frozen=True, kw_only=True, tag_field="type", tag="subscribed"):
    """A subscription begins: its snapshot comes next, then what is new."""

    id: RequestId
    channel: str
    symbol: str
    symbols: list[str]
    venue: str
    cursor: str | None
    """Of a kept channel: where it begins."""


class Unsubscribed(Struct, frozen=True, kw_only=True, tag_field="type", tag="unsubscribed"):
    """A subscription ends."""

    id: RequestId
    channel: str
    symbol: str
    venue: str
    known: bool
    """False: there was none."""


class Authenticated(Struct, frozen=True, kw_only=True, tag_field="type", tag="authenticated"):
    """A new credential counts from now on."""

    id: RequestId
    expires_ns: int | None


class Pong(Struct, frozen=True, kw_only=True, tag_field="type", tag="pong"):
    """The answer to a ping."""

    id: RequestId
    server_ns: int


class ErrorTold(Struct, frozen=True, kw_only=True, tag_field="type", tag="error"):
    """A request that was not done; the stream goes on."""

    id: RequestId
    code: str
    """As problems have it."""
    detail: str
    errors: list[FieldError]


class FeedCount(Struct, frozen=True, kw_only=True):
    """How many feeds there are."""

    total: int
    stale: int


class VenueQuality(Struct, frozen=True, kw_only=True):
    """How well a venue is heard."""

    grade: Grade
    causes: tuple[str, ...]
    """What keeps it from being `a`; at most three."""
    as_of_ns: int
    age_s: float


class Heartbeat(Struct, frozen=True, kw_only=True, tag_field="type", tag="heartbeat"):
    """The stream lives, and so do the feeds that it says."""

    server_ns: int
    feeds: FeedCount
    quality: dict[str, VenueQuality]
    """By venue."""
    cursors: dict[str, str]
    """Where the client is in every kept channel that it listens to."""


class ReauthRequired(Struct, frozen=True, kw_only=True, tag_field="type", tag="reauth_required"):
    """The credential ends within a minute: send `auth` with another, or the stream ends with it."""

    expires_ns: int


class ResyncRequired(Struct, frozen=True, kw_only=True, tag_field="type", tag="resync_required"):
    """What follows the cursor is gone: begin again, with a snapshot or from this cursor."""

    channel: str
    cursor: str


class Closing(Struct, frozen=True, kw_only=True, tag_field="type", tag="closing"):
    """The stream ends."""

    code: int
    reason: str
    reconnect_after_ms: int | None = None


WORDS: Final = (
    Ready,
    Subscribed,
    Unsubscribed,
    Authenticated,
    Pong,
    ErrorTold,
    Heartbeat,
    ReauthRequired,
    ResyncRequired,
    Closing,
)
"""All of them."""

_encode: Final = msgspec.json.Encoder().encode


def told(word: Struct) -> bytes:
    """Return a word as it is sent."""
    return _encode(word)


def tag_of(word: Any) -> str:
    """Return the `type` of a word."""
    return str(word.__struct_config__.tag)
