"""A venue's answers for its own time in, how far its clock is from ours out: the quickest of a few round trips."""

import asyncio
import logging
from typing import Final

from msgspec import Struct

from libs.common.events import SECOND_NS
from libs.common.runtime.clock import monotonic_s
from services.ingest.calls.rest import Rest, RestError, Timed
from services.ingest.venues.terms import AnswerError
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)

TRIPS: Final = 4
NOT_YET: Final = "it was not asked yet"
NO_CLOCK: Final = "the venue has no call for its time"

_KEPT_TIMES: Final = 3
"""Measurements that may fail until the last good one is too old to be told."""


class Offset(Struct, frozen=True):
    """The venue's clock minus ours; the true value lies within `seconds` ± `bound_s`."""

    seconds: float
    bound_s: float


def offset_of(venue_ns: int, answer: Timed, step_s: float) -> Offset:
    """Return what one round trip tells of a clock that says its time in steps, rounded down.

    The venue read its clock between sending and receiving, and it showed `venue_ns` to `venue_ns` + `step_s` then.
    """
    middle_ns = answer.sent_ns + answer.took_ns // 2
    return Offset((venue_ns - middle_ns) / SECOND_NS + step_s / 2, answer.took_ns / 2 / SECOND_NS + step_s / 2)


class ClockOffset:
    """Asks one venue for its time every now and then. NTP's rule: the quickest trip is the truest."""

    def __init__(self, venue: Venue, rest: Rest, *, every_s: float = 300.0, trips: int = TRIPS) -> None:
        self.cause: str | None = NOT_YET
        """Why there is no offset."""
        self._offset: Offset | None = None
        self._at_s = 0.0
        self._venue = venue
        self._rest = rest
        self._every_s = every_s
        self._trips = trips

    @property
    def offset(self) -> Offset | None:
        """The newest measurement; None, with `cause`, while there is none of late."""
        return self._offset if self.cause is None else None

    async def run(self) -> None:
        """Measure for ever; return where the venue has no time to ask for."""
        while True:
            if not await self.measure():
                return
            await asyncio.sleep(self._every_s)

    async def measure(self) -> bool:
        """Measure once; return whether it is worth to be tried again."""
        request = self._venue.clock_request()
        if request is None:
            self.cause = NO_CLOCK
            return False
        found: list[Offset] = []
        try:
            for _ in range(self._trips):
                answer = await self._rest.timed(request)
                found.append(offset_of(self._venue.clock_ns(answer.body), answer, self._venue.clock_step_s))
        except (RestError, AnswerError) as e:
            if not found:
                self._failed(str(e))
                return True
        self._offset, self._at_s, self.cause = min(found, key=lambda one: one.bound_s), monotonic_s(), None
        return True

    def _failed(self, reason: str) -> None:
        log.info(
            "the venue does not tell its time: it is asked again",
            extra={"venue": self._venue.name, "reason": reason, "wait_s": self._every_s},
        )
        if self._offset is None or monotonic_s() - self._at_s > _KEPT_TIMES * self._every_s:
            self.cause = reason
