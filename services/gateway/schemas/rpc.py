"""What is called by name and what is answered: one call or a batch of them. Pure."""

from typing import Final

from msgspec import Raw, Struct

from services.gateway.problems import ProblemDocument

MOST_CALLS: Final = 20


class RpcMeta(Struct, frozen=True, kw_only=True):
    """What there is to say of one call beside its answer."""

    request_id: str
    cost: int
    """What it took from the caller's budget; the costs of a batch add up."""
    took_ms: float
    client_request_id: str | None = None
    """The caller's own word for the call, returned."""
    replayed: bool = False
    """True: it was done before under the same word; this is the answer of then."""


class RpcReply(Struct, frozen=True, kw_only=True):
    """The answer of one call: `data` where it is ok, else `error`."""

    ok: bool
    operation: str
    data: Raw | None = None
    error: ProblemDocument | None = None
    meta: RpcMeta


class RpcReplies(Struct, frozen=True, kw_only=True):
    """The answers of a batch, in its order."""

    ok: bool
    """True where each of them is."""
    batch: list[RpcReply]
