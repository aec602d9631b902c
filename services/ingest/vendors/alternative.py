"""alternative.me: the fear & greed index of the whole market, once a day, without a key. Pure."""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Final

from msgspec import Meta, Struct

from libs.common.events import Metric, Origin
from libs.common.events.catalogue import MARKET_WIDE
from services.ingest.vendors.vendor import Job, Vendor, decoded, moment_ns
from services.ingest.venues.terms import AnswerError, Request

DAYS: Final = 7


class _Day(Struct):
    value: Annotated[float, Meta(ge=0, le=100)]
    timestamp: int
    """Seconds, as a string."""


class _Metadata(Struct):
    error: str | None = None


class _Answer(Struct):
    metadata: _Metadata
    data: list[_Day] = []


class Alternative(Vendor):
    """One request an hour, so that the day's number is seen within the hour."""

    name: ClassVar[str] = "alternative"
    needs_key: ClassVar[bool] = False

    def __init__(
        self, url: str = "https://api.alternative.me", key: str | None = None, per_minute: float = 6.0
    ) -> None:
        """`key` is not used: there is none."""
        super().__init__(url, key, per_minute)

    def headers(self) -> dict[str, str]:
        """Return nothing."""
        return {}

    def jobs(self, symbols: Sequence[str]) -> list[Job]:
        """Return the one request, whatever is followed."""
        del symbols
        return [
            Job(
                name="fear-greed",
                kind="fear-greed",
                request=Request(url=f"{self.url}/fng/?limit={DAYS}&format=json"),
                every_s=3600.0,
                metrics=("fear_greed",),
                symbols=(MARKET_WIDE,),
            )
        ]

    def parse(self, job: Job, body: bytes, received_ns: int, origin: Origin) -> list[Metric]:
        """Read the days, which come newest first; each is known from its timestamp on."""
        answer = decoded(body, _Answer)
        if answer.metadata.error is not None:
            raise AnswerError(f"error: {answer.metadata.error[:100]}")
        days = sorted((moment_ns(day.timestamp), day.value) for day in answer.data)
        return [
            one
            for at_ns, value in days
            if at_ns <= received_ns
            for one in self.metric(job, "fear_greed", value, at_ns, received_ns, origin)
        ]
