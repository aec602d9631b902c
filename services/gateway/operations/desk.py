"""What operations work with: the stores and the parts of this process; and who asks."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from libs.common.runtime.clock import now_ns
from services.gateway.access.oidc import Elsewhere
from services.gateway.access.principal import Principal
from services.gateway.access.sign_in import SignIns
from services.gateway.access.usage import Usage
from services.gateway.board import Board
from services.gateway.exporting.exporter import Exporter
from services.gateway.operations.operation import Connection, Kept, Operation, Written
from services.gateway.store.latest import Latest
from services.gateway.store.store import Store
from services.gateway.stream.opening import Sessions
from services.gateway.vitals import Vitals


@dataclass(slots=True, kw_only=True)
class Caller:
    """One request's side of a call: who asks, from where, and what its answer's head will say."""

    principal: Principal
    address: str = ""
    """The client's address, as far as it is known."""
    request_id: str = ""
    idempotency_key: str | None = None
    shown: dict[str, str] = field(default_factory=dict)
    """What the request showed of who asks, over HTTP: `cookie`, `x-csrf-token`, `origin` and such, as they came."""
    headers: dict[str, str] = field(default_factory=dict)
    """Headers for the answer, added on the way: limits, replays."""
    cookies: list[str] = field(default_factory=list)
    """`Set-Cookie` lines for the answer."""
    at_door: bool = False
    """The request is not yet counted for its address: the gate does both at once."""


class Gate(Protocol):
    """Counts calls against their limits."""

    async def admit(self, caller: Caller, operation: Operation[Any, Any]) -> None:
        """Take the operation's cost from the caller's budgets and say so in the headers.

        Raises:
            Problem: `rate_limited` or `quota_exhausted`.
        """


class Ledger(Protocol):
    """Does each write once, in one transaction with its audit and its idempotency key."""

    async def once(
        self,
        caller: Caller,
        operation: Operation[Any, Any],
        params: Any,
        work: Callable[[Connection], Awaitable[Written[Any]]],
    ) -> Any:
        """Return the answer of `work`, or the stored one where the key was used for the same request.

        Raises:
            Problem: `idempotency_in_flight`, `idempotency_key_reused`.
        """


class Cache(Protocol):
    """Keeps answers that are the same for all who may ask."""

    async def answer(self, operation: Operation[Any, Any], params: Any, make: Callable[[], Awaitable[bytes]]) -> Kept:
        """Return a kept answer, or make it once for all who ask for it now.

        Raises:
            Problem: as `make`; failures are not kept.
        """


@dataclass(slots=True, kw_only=True)
class Desk:
    """The collaborators of every operation; a part that is None is not there in this process."""

    store: Store
    latest: Latest
    board: Board
    faults: Callable[[], Awaitable[dict[str, str]]]
    """Why this process cannot serve."""
    clock: Callable[[], int] = now_ns
    stale_after_s: float = 15.0
    exporter: Exporter | None = None
    chats: frozenset[str] = frozenset()
    """Telegram chats that anybody may name as theirs; others wait for an administrator."""
    gate: Gate | None = None
    usage: Usage | None = None
    ledger: Ledger | None = None
    cache: Cache | None = None
    vitals: Vitals | None = None
    sessions: Sessions | None = None
    sign_ins: SignIns | None = None
    elsewhere: Elsewhere | None = None
    """Signing in with a provider."""
