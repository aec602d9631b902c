"""Each write once: the work, its audit and the answer for whoever repeats the request, in one transaction.

Killed before the commit, nothing has happened; killed after it, the same request with the same key gets the same
answer. Only what was done is kept: a request that failed may be sent again.
"""

import hashlib
import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.common.runtime.clock import now_ns
from services.gateway.access import audit
from services.gateway.operations.desk import Caller
from services.gateway.operations.operation import Connection, Operation, Written
from services.gateway.problems import Problem, field_problem
from services.gateway.sealing import Seal

KEPT_NS: Final = 24 * 3_600 * 1_000_000_000
"""How long an answer is kept for who repeats the request."""
REPLAYED: Final = "Idempotent-Replayed"

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")

_LOCK: Final = "SELECT pg_try_advisory_xact_lock($1)"

_FIND: Final = """
SELECT request_hash, body, sealed FROM gateway.idempotency
WHERE principal = $1 AND operation = $2 AND key_digest = $3 AND at_ns >= $4
"""

_ADD: Final = """
INSERT INTO gateway.idempotency (principal, operation, key_digest, request_hash, status, body, sealed, at_ns)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (principal, operation, key_digest) DO UPDATE
SET request_hash = excluded.request_hash, status = excluded.status, body = excluded.body, sealed = excluded.sealed,
    at_ns = excluded.at_ns
"""

_PRUNE: Final = "DELETE FROM gateway.idempotency WHERE at_ns < $1"

Work = Callable[[Connection], Awaitable[Written[Any]]]


class Request(Struct, frozen=True):
    """What tells a request from others with the same key."""

    principal: str
    operation: str
    key: str
    key_digest: bytes
    hash: bytes

    @property
    def lock(self) -> int:
        """Return the number of its lock."""
        words = f"{self.principal}\0{self.operation}\0{self.key}"
        return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big", signed=True)


class PostgresLedger:
    """Does writes in PostgreSQL."""

    def __init__(
        self,
        pool: Callable[[], Any],
        *,
        seal: Seal | None = None,
        tell: Callable[[str], Awaitable[None]] | None = None,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        """Take collaborators.

        Args:
            pool: returns the pool of connections.
            seal: of answers that hold a secret.
            tell: tells every replica of a credential that is void.
            clock: our time, ns.
        """
        self._pool = pool
        self._seal = seal or Seal()
        self._tell = tell
        self._clock = clock

    async def once(self, caller: Caller, operation: Operation[Any, Any], params: Any, work: Work) -> Any:
        """Return the answer of `work`, or the kept one where the key was used for the same request.

        Raises:
            Problem: `idempotency_in_flight`, `idempotency_key_reused`, or what `work` says.
        """
        request = _request(caller, operation, params)
        void: tuple[str, ...] = ()
        async with self._pool().acquire() as connection, connection.transaction():
            if request is not None:
                if not await connection.fetchval(_LOCK, request.lock):
                    raise Problem("idempotency_in_flight", "the request with this key is being done; try again")
                now = self._clock()
                row = await connection.fetchrow(
                    _FIND, request.principal, request.operation, request.key_digest, now - KEPT_NS
                )
                if row is not None:
                    return self._again(caller, operation, request, row)
            written = await work(connection)
            void = written.void
            if request is not None:
                await self._keep(connection, operation, request, written.answer)
            await audit.write(connection, _act(caller, operation, written), self._clock())
        if self._tell is not None:
            for credential in void:
                await self._tell(credential)
        return written.answer

    async def prune(self) -> int:
        """Forget what is too old; return how many."""
        deleted = await self._pool().execute(_PRUNE, self._clock() - KEPT_NS)
        return int(deleted.rpartition(" ")[2])

    def _again(self, caller: Caller, operation: Operation[Any, Any], request: Request, row: Any) -> Any:
        if not hmac.compare_digest(row["request_hash"], request.hash):
            raise Problem("idempotency_key_reused", "this key was sent with another request: take a new one")
        body = row["body"]
        if row["sealed"]:
            body = self._seal.open(body, request.key, request.hash)
            if body is None:
                raise Problem("conflict", "this was done, and its secret is shown once: make another, void this one")
        caller.headers[REPLAYED] = "true"
        return None if operation.answer is None else msgspec.json.decode(body, type=operation.answer)

    async def _keep(
        self, connection: Connection, operation: Operation[Any, Any], request: Request, answer: Any
    ) -> None:
        body = msgspec.json.encode(answer)
        if operation.secret_reply:
            body = self._seal.close(body, request.key, request.hash)
        await connection.execute(
            _ADD,
            request.principal,
            request.operation,
            request.key_digest,
            request.hash,
            operation.status,
            body,
            operation.secret_reply,
            self._clock(),
        )


def _request(caller: Caller, operation: Operation[Any, Any], params: Any) -> Request | None:
    key = caller.idempotency_key
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise field_problem("invalid_parameter", "Idempotency-Key", "has 1 to 255 visible ASCII characters")
    said = msgspec.json.encode(params, order="sorted")
    return Request(
        principal=f"{caller.principal.way}:{caller.principal.credential}",
        operation=operation.name,
        key=key,
        key_digest=hashlib.sha256(key.encode()).digest(),
        # keyed by what we do not keep: a password among the parameters cannot be guessed from it
        hash=hmac.digest(key.encode(), operation.name.encode() + b"\0" + said, "sha256"),
    )


def _act(caller: Caller, operation: Operation[Any, Any], written: Written[Any]) -> audit.Act:
    return audit.Act(
        who=caller.principal,
        action=operation.name,
        target=written.target,
        address=caller.address,
        request_id=caller.request_id,
        before=written.before,
        after=written.after,
    )
