"""Followed instruments whose open interest no socket says in, OpenInterest events out: asked for one by one."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final, Self

from libs.common.events import Origin
from libs.common.runtime.clock import monotonic_s, now_ns
from services.ingest import metrics
from services.ingest.calls.rest import Rest, RestError
from services.ingest.delivery.buffer import Buffer
from services.ingest.settings import Settings
from services.ingest.venues.terms import AnswerError, Instrument, Request
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)

SHARE: Final = 0.1
"""Of the venue's REST budget; with many symbols the rounds become longer, not the calls more."""
_LOOK_AGAIN_S: Final = 5.0
"""Whom we follow may change at any time."""


class OpenInterestPoller:
    """Asks for each followed instrument every `every_s` seconds, or as often as its share of the budget allows."""

    def __init__(
        self,
        venue: Venue,
        followed: Mapping[str, Instrument],
        rest: Rest,
        buffer: Buffer,
        *,
        every_s: float,
        weight_per_minute: float,
        origin: Origin = Origin.LIVE,
    ) -> None:
        """`followed` by canonical symbol, looked at before each call; `weight_per_minute` is the whole REST budget."""
        self._venue = venue
        self._followed = followed
        self._rest = rest
        self._buffer = buffer
        self._every_s = every_s
        self._second_per_weight = 60 / (SHARE * weight_per_minute)
        self._origin = origin
        self._due: dict[str, float] = {}
        self._said_ns: dict[str, int] = {}
        self._failing: set[str] = set()

    @classmethod
    def of(
        cls, settings: Settings, venue: Venue, followed: Mapping[str, Instrument], rest: Rest, buffer: Buffer
    ) -> Self:
        """Return the poller that `settings` ask for."""
        return cls(
            venue,
            followed,
            rest,
            buffer,
            every_s=settings.open_interest_every_s,
            weight_per_minute=settings.rest_weight_per_minute or venue.weight_per_minute,
            origin=settings.origin,
        )

    async def run(self) -> None:
        """Ask for ever; the one who waits longest first, new ones before all others."""
        while True:
            turn = self._turn()
            wait_s = turn[0] - monotonic_s() if turn else _LOOK_AGAIN_S
            if turn is None or wait_s > 0:
                await asyncio.sleep(min(wait_s, _LOOK_AGAIN_S))
                continue
            _, instrument, request = turn
            self._due[instrument.symbol] = monotonic_s() + self._every_s
            outcome = await self._ask(instrument, request)
            metrics.OPEN_INTEREST.labels(self._venue.name, outcome).inc()
            await asyncio.sleep(request.weight * self._second_per_weight)

    def _turn(self) -> tuple[float, Instrument, Request] | None:
        """Return who is next and when, by the monotonic clock; None where nobody is to be asked for."""
        for symbol in self._due.keys() - self._followed.keys():
            del self._due[symbol]
            self._said_ns.pop(symbol, None)
            self._failing.discard(symbol)
        asked = ((one, self._venue.open_interest_request(one)) for one in self._followed.values())
        turns = [(self._due.get(one.symbol, 0.0), one, request) for one, request in asked if request]
        return min(turns, key=lambda turn: turn[0], default=None)

    async def _ask(self, instrument: Instrument, request: Request) -> str:
        """Ask and publish; return what came of it."""
        symbol = instrument.symbol
        try:
            body = await self._rest.fetch(request)
            found = self._venue.open_interest(instrument, body, now_ns(), self._origin)
        except (RestError, AnswerError) as e:
            if symbol not in self._failing:
                log.warning(
                    "no open interest; it is asked for again",
                    extra={"venue": self._venue.name, "symbol": symbol, "reason": str(e)},
                )
            self._failing.add(symbol)
            return "refused" if isinstance(e, AnswerError) else "failed"
        self._failing.discard(symbol)
        if found is None:
            return "absent"
        if found.event_ns <= self._said_ns.get(symbol, 0):
            return "repeated"  # the venue's caches may even go back
        self._said_ns[symbol] = found.event_ns
        await self._buffer.put(found)
        return "ok"
