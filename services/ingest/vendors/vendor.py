"""What a vendor is to this system: which requests are due how often, and how answers are read. No sockets, no clock.

A `Vendor` is a stateless description; the shell sends its requests, within its budget, and publishes what `parse`
returns. What a vendor does not give becomes a `Metric` without a value and with the cause, never a zero.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from libs.common.events import Metric, Origin
from libs.common.events.catalogue import METRICS
from libs.common.events.symbols import parse
from services.ingest.venues.terms import AnswerError, Request

Number = Annotated[float, Meta(ge=-1e18, le=1e18)]
"""Any finite number; decoded leniently, a numeric string is one too. The bounds refuse NaN and infinity."""
Amount = Annotated[float, Meta(ge=0, le=1e18)]
"""A number that has no sign."""

LEFT_OUT: Final = "the vendor left it out"

_SECONDS_BELOW: Final = 10**11
_MILLIS_BELOW: Final = 10**14
_SECOND_NS: Final = 10**9
_MILLISECOND_NS: Final = 10**6

T = TypeVar("T")


class LimitedError(AnswerError):
    """The vendor says within an answer that it was asked too often: nothing of it is asked for a while."""


class RefusedError(AnswerError):
    """Key or plan do not suffice: asking again soon is of no use."""


class Job(Struct, frozen=True, kw_only=True):
    """One request that is due again and again, and whom its answer is about."""

    name: str
    """Unique within the vendor: `open-interest BTC`."""
    kind: str
    """Which of the vendor's answers it is."""
    request: Request
    every_s: float
    """Seconds between two askings; never less than the vendor's own pace."""
    metrics: tuple[str, ...]
    """Names of the catalogue that the answer fills."""
    symbols: tuple[str, ...]
    """Followed markets that the answer is about, or `MARKET_WIDE` alone."""
    interval_s: int | None = None
    """Length of a row of a history."""
    exchange: str | None = None
    """Whose numbers these are, where the request names one exchange."""


class Vendor(ABC):
    """One vendor, as its documentation describes it."""

    name: ClassVar[str]
    needs_key: ClassVar[bool]

    def __init__(self, url: str, key: str | None, per_minute: float) -> None:
        """`url`: scheme, host and prefix; `key`: None where the operator has none; `per_minute`: requests allowed."""
        self.url = url.rstrip("/")
        self.key = key
        self.per_minute = per_minute

    @property
    def usable(self) -> bool:
        """False where the vendor answers nobody without a key, and there is none."""
        return self.key is not None or not self.needs_key

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """Return the headers that carry the key; none where there is no key."""

    @abstractmethod
    def jobs(self, symbols: Sequence[str]) -> list[Job]:
        """Return what is to be asked for the canonical `symbols`; a coin of several markets is asked for once."""

    @abstractmethod
    def parse(self, job: Job, body: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        """Read the answer to `job`: only what is final, oldest first.

        Raises:
            AnswerError: `body` has another shape, or the vendor an error.
            RefusedError: key or plan do not suffice.
            LimitedError: asked too often.
        """

    def metric(  # the fields of an event
        self,
        job: Job,
        name: str,
        value: float | None,
        event_ns: int,
        received_ns: int,
        origin: Origin,
        *,
        symbols: Iterable[str] | None = None,
        exchange: str | None = None,
        cause: str = LEFT_OUT,
    ) -> list[Metric]:
        """Return one number, said for each of `symbols` (those of `job` by default); None is absent with `cause`."""
        return [
            Metric(
                venue=self.name,
                symbol=symbol,
                event_ns=event_ns,
                received_ns=received_ns,
                origin=origin,
                name=name,
                unit=METRICS[name].unit,
                value=value,
                interval_s=job.interval_s,
                exchange=exchange or job.exchange,
                cause=cause if value is None else None,
            )
            for symbol in (job.symbols if symbols is None else symbols)
        ]

    def absent(self, job: Job, cause: str, at_ns: int, origin: Origin) -> list[Metric]:
        """Return that nothing of `job` is known, and why."""
        return [one for name in job.metrics for one in self.metric(job, name, None, at_ns, at_ns, origin, cause=cause)]


def by_coin(symbols: Iterable[str]) -> dict[str, list[str]]:
    """Return canonical symbols by their base asset, both in the order given."""
    coins: dict[str, list[str]] = {}
    for symbol in symbols:
        coins.setdefault(parse(symbol).base, []).append(symbol)
    return coins


def decoded(body: bytes, kind: type[T]) -> T:
    """Return `body` as `kind`; numbers may be numeric strings.

    Raises:
        AnswerError: `body` is no JSON or has another shape.
    """
    try:
        return msgspec.json.decode(body, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise AnswerError(f"unreadable: {e}") from e


def moment_ns(raw: int) -> int:
    """Return a vendor's time as nanoseconds: below 10^11 it is in seconds, below 10^14 in milliseconds.

    Raises:
        AnswerError: it is neither, or before 2001.
    """
    if _SECONDS_BELOW // 100 <= raw < _SECONDS_BELOW:
        return raw * _SECOND_NS
    if _SECONDS_BELOW * 10 <= raw < _MILLIS_BELOW:
        return raw * _MILLISECOND_NS
    raise AnswerError(f"{raw} is no time in seconds or milliseconds since 2001")
