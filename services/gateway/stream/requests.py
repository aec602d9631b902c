"""What a stream client says: texts in, requests and their topics out; and our answers as texts. Pure."""

from typing import Any, Final

import msgspec
from msgspec import Struct

from services.gateway.problems import field_problem
from services.gateway.stream.hub import CHANNELS, Topic


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """What a client may say."""

    op: str
    id: str | int | None = None
    channel: str = ""
    symbol: str = ""
    venue: str = ""
    key: str = ""


decode_request: Final = msgspec.json.Decoder(Request).decode
"""Text to request; raises msgspec.DecodeError."""


def topic_of(request: Request) -> Topic:
    """Return what a request subscribes to.

    Raises:
        Problem: there is no such channel, or it needs a symbol.
    """
    if request.channel not in CHANNELS:
        raise field_problem("invalid_parameter", "channel", f"must be one of {', '.join(CHANNELS)}")
    if request.channel in {"book", "readings"} and not request.symbol:
        raise field_problem("invalid_parameter", "symbol", f"the channel {request.channel} needs one")
    return Topic(request.channel, request.symbol, request.venue)


def text_of(**fields: Any) -> str:
    """Return a message of ours."""
    return msgspec.json.encode(fields).decode()
