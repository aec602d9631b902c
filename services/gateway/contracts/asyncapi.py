"""The stream's table of channels to an AsyncAPI 3.0 document. Pure."""

from typing import Any, Final

from services.gateway.contracts.openapi import VERSION
from services.gateway.contracts.schemas import Schema, Schemas
from services.gateway.stream.channels import CHANNELS, Channel
from services.gateway.stream.closing import Close
from services.gateway.stream.requests import Request
from services.gateway.stream.words import WORDS, tag_of

_ADDRESS: Final = "/v1/stream"
_CHANNEL: Final = "stream"
_ABOUT: Final = """One WebSocket carries all channels. Sign in by header, by `?ticket=`, or with the first message.

Of **kept** channels every message comes once and in order: `seq` counts without holes within channel, venue and
symbol, and `cursor` leads back to it at any replica for 24 hours or 10,000 messages. Of the others a newer message may
replace one that waits; then `prev_seq` is not `seq` - 1."""
_CLOSES: Final = {
    Close.DRAIN: "the gateway stops: come back after `reconnect_after_ms`",
    Close.OVERSIZE: "a message over 64 KiB",
    Close.FULL: "too many clients",
    Close.BAD_REQUEST: "ten requests that could not be done",
    Close.UNAUTHENTICATED: "no valid credential within five seconds, or it has ended",
    Close.REVOKED: "the credential was revoked, or does not allow this",
    Close.SLOW: "the client reads too slowly: come back with the cursor",
    Close.RESYNC: "the cursor leads nowhere, or a store was away: begin again",
    Close.RATE: "over 50 messages a second, or too many streams of one address",
}
_KINDS: Final = {"snapshot": "what is newest, as a subscription begins", "update": "what is new"}


def asyncapi_document() -> Schema:
    """Return the document."""
    schemas = Schemas([Request, *WORDS, *(channel.data for channel in CHANNELS.values())])
    said = {tag_of(word): _word(word, schemas) for word in WORDS}
    told = {channel.name: _message(channel, schemas) for channel in CHANNELS.values()}
    messages = {"request": _request(schemas), **said, **told}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "CryptoSatX stream", "version": VERSION, "description": _ABOUT},
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8080",
                "pathname": "",
                "protocol": "ws",
                "security": [_ref("securitySchemes", "key")],
            }
        },
        "channels": {
            _CHANNEL: {
                "address": _ADDRESS,
                "title": "Everything that is said",
                "messages": {name: _ref("messages", name) for name in messages},
                "bindings": {"ws": {"method": "GET", "query": _TICKET, "bindingVersion": "0.1.0"}},
                "x-csx-close-codes": {str(int(code)): why for code, why in _CLOSES.items()},
            }
        },
        "operations": {
            "ask": _operation("receive", "Requests of a client", ["request"]),
            "answer": _operation("send", "Answers, beats and goodbyes", list(said)),
            **{name: _operation("send", CHANNELS[name].about, [name], CHANNELS[name]) for name in told},
        },
        "components": {
            "messages": messages,
            "schemas": schemas.components(messages),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key, or an access token."}
            },
        },
    }


_TICKET: Final[Schema] = {
    "type": "object",
    "properties": {"ticket": {"type": "string", "description": "Of `POST /v1/stream/tickets`; it opens one stream."}},
}


def _operation(action: str, about: str, names: list[str], channel: Channel | None = None) -> Schema:
    found: Schema = {
        "action": action,
        "channel": {"$ref": f"#/channels/{_CHANNEL}"},
        "summary": about,
        "messages": [{"$ref": f"#/channels/{_CHANNEL}/messages/{name}"} for name in names],
    }
    if channel is not None:
        found["x-csx-scope"] = str(channel.scope)
        found["x-csx-kept"] = channel.kept
        found["x-csx-needs-symbol"] = channel.needs_symbol
    return found


def _request(schemas: Schemas) -> Schema:
    return {
        "name": "request",
        "title": "Request",
        "summary": "`op` is `auth`, `subscribe`, `unsubscribe` or `ping`; `from` is a cursor or `live`.",
        "payload": schemas.of(Request),
        "examples": [
            {"name": "auth", "payload": {"op": "auth", "key": "csx_live_..."}},
            {"name": "follow", "payload": {"op": "subscribe", "id": 1, "channel": "signals", "from": "live"}},
            {
                "name": "one market",
                "payload": {
                    "op": "subscribe",
                    "id": 2,
                    "channel": "book",
                    "symbol": "BTC-USDT-PERP",
                    "venue": "okx",
                },
            },
        ],
    }


def _word(word: Any, schemas: Schemas) -> Schema:
    return {"name": tag_of(word), "title": word.__name__, "summary": _first(word), "payload": schemas.of(word)}


def _message(channel: Channel, schemas: Schemas) -> Schema:
    return {
        "name": channel.name,
        "title": channel.data.__name__,
        "summary": channel.about,
        "payload": {
            "type": "object",
            "required": list(_envelope(channel, schemas)),
            "properties": _envelope(channel, schemas),
        },
    }


def _envelope(channel: Channel, schemas: Schemas) -> Schema:
    kinds = [kind for kind in _KINDS if kind == "update" or channel.kept or channel.snapshot]
    cursor: Schema = {"type": "string" if channel.kept else "null", "description": "Resume from here with `from`."}
    whole = channel.kept and not channel.owned
    return {
        "type": {"enum": kinds, "description": "; ".join(f"`{kind}`: {_KINDS[kind]}" for kind in kinds)},
        "channel": {"const": channel.name},
        "venue": {"type": "string"},
        "symbol": {"type": "string"},
        "seq": {"type": "integer", "minimum": 0, "description": "Counts within channel, venue and symbol."},
        "prev_seq": {
            "type": "integer" if whole else ["integer", "null"],
            "description": "`seq` - 1." if whole else "The `seq` that this client got before; null: none.",
        },
        "cursor": cursor,
        "ts_event_ns": {"type": "integer", "description": "When it happened."},
        "ts_publish_ns": {"type": "integer", "description": "When the gateway said it."},
        "schema": {"const": channel.schema},
        "data": schemas.of(channel.data),
    }


def _ref(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}


def _first(kind: Any) -> str:
    return str(kind.__doc__).strip().splitlines()[0]
