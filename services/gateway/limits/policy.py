"""What a request costs: who asks and what is asked in, the buckets it must find room in out."""

import hashlib
import re
from functools import lru_cache
from typing import Final

from msgspec import Struct

PREFIX: Final = "csx:gateway:gcra:"
MICROSECONDS: Final = 1_000_000
MINUTE_S: Final = 60
DAY_S: Final = 86_400

HEAVY: Final = 5
"""From this cost on an operation has a bucket of its own."""
HEAVY_CALLS: Final = 12
"""Calls a minute that such a bucket holds."""

_REMEMBERED: Final = 4_096
_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/@-]{1,80}")


class Bucket(Struct, frozen=True, cache_hash=True):
    """One bucket, and what a request takes of it; a cost of 0 looks without taking."""

    policy: str
    """Its name, as clients read it: `sustained`."""
    subject: str
    """Whose it is."""
    quota: int
    """What it holds when it is full."""
    window_s: int
    """It fills in so many seconds, evenly."""
    cost: int = 1

    @property
    def emission_us(self) -> int:
        """One unit comes back after so many microseconds."""
        return self.window_s * MICROSECONDS // self.quota

    @property
    def tolerance_us(self) -> int:
        """What may be spent at once; `emission_us * quota`, as the whole window would admit one too many."""
        return self.emission_us * self.quota

    @property
    def key(self) -> str:
        """Its name in Redis; a subject that is long or strange is named by its hash."""
        subject = self.subject
        if not _PLAIN.fullmatch(subject):
            subject = "~" + hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()
        return f"{PREFIX}{self.policy}:{subject}"


class Admission(Struct, frozen=True):
    """Whether a request may pass, and what each of its buckets then holds, in their order."""

    admitted: bool
    remaining: tuple[int, ...]
    reset_s: tuple[int, ...]
    """Seconds until each is full again."""
    retry_after_s: int = 0
    """Seconds until the same request would pass; 0 where it passed."""
    degraded: bool = False
    """Decided by this process alone, and more strictly: Redis is away."""


class Quotas(Struct, frozen=True):
    """How much of everything; the numbers are choices, and settings."""

    per_second: int = 20
    """Requests of one credential."""
    per_minute: int = 600
    """Cost of one credential's requests."""
    per_day: int = 0
    """Cost of one credential's requests, where its key states no quota of its own; 0: no limit by day."""
    address: int = 300
    """Requests a minute of one address without a credential."""
    address_known: int = 3_000
    """Requests a minute of one address with credentials."""
    failures: int = 10
    """Refused credentials a minute of one address; then it is locked out."""


PLANS: Final[dict[str, int]] = {"standard": 1, "wide": 10}
"""How many times the quotas a credential has, by the name of its limits."""


class Policies:
    """Which buckets a request takes of."""

    def __init__(self, quotas: Quotas | None = None) -> None:
        self._quotas = quotas or Quotas()
        self.door = lru_cache(maxsize=_REMEMBERED)(self._door)
        self.call = lru_cache(maxsize=_REMEMBERED)(self._call)

    def _door(self, address: str, *, known: bool) -> tuple[Bucket, Bucket]:
        """Return the buckets of an address: its requests, and a look at its refused credentials (see `locked`)."""
        quota = self._quotas.address_known if known else self._quotas.address
        name = "address" if known else "anonymous"
        return Bucket(name, address, quota, MINUTE_S), self._failures(address, 0)

    def look(self, address: str) -> tuple[Bucket, ...]:
        """Return a look at an address's refused credentials alone."""
        return (self._failures(address, 0),)

    def failure(self, address: str) -> tuple[Bucket, ...]:
        """Return what a refused credential costs its address."""
        return (self._failures(address, 1),)

    def _call(
        self, credential: str, *, limits: str, operation: str, cost: int, quota_day: int | None = None
    ) -> tuple[Bucket, ...]:
        """Return the buckets of an operation called with a credential.

        Requests count by the second, cost counts by the minute and the day. An unknown name of limits is the
        standard one.
        """
        times, quotas = PLANS.get(limits, 1), self._quotas
        buckets = [
            Bucket("burst", credential, quotas.per_second * times, 1, min(cost, 1)),
            Bucket("sustained", credential, quotas.per_minute * times, MINUTE_S, cost),
        ]
        if per_day := quotas.per_day * times if quota_day is None else quota_day:
            buckets.append(Bucket("day", credential, per_day, DAY_S, cost))
        if cost >= HEAVY:
            buckets.append(_heavy(credential, operation, cost, times))
        return tuple(buckets)

    def nobody(self, address: str, *, operation: str, cost: int) -> tuple[Bucket, ...]:
        """Return the buckets of an operation called without a credential, beside those at the door."""
        return (_heavy(address, operation, cost, 1),) if cost >= HEAVY else ()

    def _failures(self, address: str, cost: int) -> Bucket:
        return Bucket("failures", address, self._quotas.failures, MINUTE_S, cost)


def _heavy(subject: str, operation: str, cost: int, times: int) -> Bucket:
    return Bucket(operation, subject, HEAVY_CALLS * times * cost, MINUTE_S, cost)


def locked(door: Admission) -> bool:
    """Tell whether an address has had too many refused credentials, from the answer to its `door`."""
    return door.remaining[1] == 0
