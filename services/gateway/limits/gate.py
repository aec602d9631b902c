"""Where requests meet their limits, at the door and before an operation: who asks in, a problem or headers out.

Without Redis the limits of one process hold; what must never be tried often, or is dear, is then refused altogether.
"""

from typing import Any, Final

from services.gateway.access.principal import Way
from services.gateway.limits.headers import headers
from services.gateway.limits.limiter import Limiter, refusing
from services.gateway.limits.policy import Admission, Bucket, Policies, locked
from services.gateway.operations.desk import Caller
from services.gateway.operations.operation import Operation
from services.gateway.problems import Problem

DEAR: Final = 50
"""From this cost on an operation waits for Redis."""


class LimitGate:
    """The limits of this gateway."""

    def __init__(self, limiter: Limiter, policies: Policies | None = None) -> None:
        self._limiter = limiter
        self._policies = policies or Policies()

    async def door(self, address: str, *, known: bool) -> dict[str, str]:
        """Take one request of an address; `known`: it shows a credential, whatever that is worth.

        Returns:
            Header fields for an answer that has none of a credential.

        Raises:
            Problem: `locked_out` or `rate_limited`.
        """
        buckets = self._policies.door(address, known=known)
        admission = await self._limiter.take(buckets)
        if known and locked(admission):
            raise _locked_out(buckets[1])
        return _passed(buckets, admission)

    async def attempt(self, address: str) -> None:
        """Let an address try a password.

        Raises:
            Problem: `locked_out`, or `limits_degraded` without Redis.
        """
        buckets = self._policies.look(address)
        admission = await self._limiter.take(buckets)
        if admission.degraded:
            raise _degraded()
        if admission.remaining[0] == 0:
            raise _locked_out(buckets[0])

    async def refused(self, address: str) -> None:
        """Count a refused credential or password of an address."""
        await self._limiter.take(self._policies.failure(address))

    async def admit(self, caller: Caller, operation: Operation[Any, Any]) -> None:
        """Take the operation's cost from the caller's budgets and say so in the headers.

        Raises:
            Problem: `rate_limited`, `quota_exhausted`, or `limits_degraded` for what is refused without Redis.
        """
        call = self.buckets(caller, operation)
        if caller.at_door:
            known = caller.principal.way is not Way.ANONYMOUS
            admission = await self._both(self._policies.door(caller.address, known=known), call, known=known)
        else:
            admission = await self._limiter.take(call)
        if admission.degraded and (operation.secret_reply or operation.cost >= DEAR):
            raise _degraded()
        caller.headers.update(_passed(call, admission))

    async def _both(self, door: tuple[Bucket, Bucket], call: tuple[Bucket, ...], *, known: bool) -> Admission:
        """Take at the door and before the operation at once; return what is left of the operation's."""
        admission = await self._limiter.take((*door, *call))
        if known and locked(admission):
            raise _locked_out(door[1])
        if not admission.admitted:
            _passed((*door, *call), admission)
        return Admission(
            admission.admitted, admission.remaining[2:], admission.reset_s[2:], degraded=admission.degraded
        )

    def buckets(self, caller: Caller, operation: Operation[Any, Any]) -> tuple[Bucket, ...]:
        """Return what a call takes of; nobody's calls are counted at the door, and by address where they are dear."""
        principal = caller.principal
        if principal.way is Way.ANONYMOUS:
            return self._policies.nobody(caller.address, operation=operation.name, cost=operation.cost)
        return self._policies.call(
            principal.budget or principal.credential,
            limits=principal.limits,
            operation=operation.name,
            cost=operation.cost,
            quota_day=principal.quota_day,
        )


def _locked_out(failures: Bucket) -> Problem:
    one_s = -(-failures.window_s // failures.quota)
    return Problem(
        "locked_out", "too many refused credentials came from this address", headers={"Retry-After": str(one_s)}
    )


def _degraded() -> Problem:
    return Problem("limits_degraded", "this is refused while limits cannot be counted together; try again")


def _passed(buckets: tuple[Bucket, ...], admission: Admission) -> dict[str, str]:
    fields = headers(buckets, admission)
    if admission.admitted:
        return fields
    bucket = refusing(buckets, admission)
    code = "quota_exhausted" if bucket.policy == "day" else "rate_limited"
    detail = f"{bucket.policy}: at most {bucket.quota} in {bucket.window_s} s; try again in {admission.retry_after_s} s"
    raise Problem(code, detail, headers=fields)
