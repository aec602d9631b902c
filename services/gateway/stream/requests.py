"""What a stream client says: texts in, requests and their topics out. Pure."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from services.gateway.access.principal import Principal
from services.gateway.problems import Problem, field_problem
from services.gateway.stream.channels import CHANNELS
from services.gateway.stream.index import Topic

LIVE: Final = "live"
"""In place of a cursor: only what is new."""

Short = Annotated[str, Meta(max_length=80, pattern="^[^\\x00-\\x1f\\x7f]*$(?!\\n)")]
"""What a symbol or a venue may be: no control characters, which no store takes."""


class Request(Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """What a client may say."""

    op: str
    id: str | int | None = None
    channel: str = ""
    symbol: Short = ""
    symbols: Annotated[tuple[Short, ...], Meta(max_length=100)] = ()
    venue: Short = ""
    since: Annotated[str, Meta(max_length=512)] = ""
    key: Annotated[str, Meta(max_length=8192)] = ""
    ticket: Annotated[str, Meta(max_length=200)] = ""


decode_request: Final = msgspec.json.Decoder(Request).decode
"""Text to request; raises msgspec.DecodeError."""


def topics_of(request: Request, principal: Principal) -> list[Topic]:
    """Return what a request subscribes to.

    Raises:
        Problem: there is no such channel, it needs a symbol, or it is not allowed to its asker.
    """
    channel = CHANNELS.get(request.channel)
    if channel is None:
        raise field_problem("invalid_parameter", "channel", f"must be one of {', '.join(CHANNELS)}")
    if not principal.may(channel.scope):
        raise Problem("forbidden", f"the channel {channel.name} needs the scope {channel.scope}")
    if request.symbol and request.symbols:
        raise field_problem("invalid_parameter", "symbols", "give one symbol or several, not both")
    symbols = tuple(dict.fromkeys(request.symbols)) or (request.symbol,)
    if channel.needs_symbol and not all(symbols):
        raise field_problem("invalid_parameter", "symbol", f"the channel {channel.name} needs one")
    if channel.name == "health":
        return [Topic(channel.name)]
    return [Topic(channel.name, symbol, request.venue) for symbol in symbols]
