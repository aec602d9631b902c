"""Wishes, a venue's catalogue and its turnover in, the instruments to follow out; again and again, without flapping."""

import asyncio
import logging
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from libs.common.events import ListingStatus
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s
from libs.common.runtime.errors import ConfigurationError
from services.ingest import metrics
from services.ingest.calls.rest import Rest, RestError
from services.ingest.listings.catalogue import pages
from services.ingest.listings.wishes import Top, top_of
from services.ingest.venues.terms import AnswerError, Instrument
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)

SLACK: Final = 1.2
"""Who was in the first N leaves only when it ranks behind N times this: between N and 1.2 N are followed."""

_UNHEARD: Final = frozenset({ListingStatus.ANNOUNCED, ListingStatus.DELISTED})


def picked(top: Top, turnover: Mapping[str, float], ranked: Collection[str], members: Collection[str]) -> set[str]:
    """Return who is followed for `top`.

    Args:
        top: how many.
        turnover: quote currency in 24 hours by symbol; who is absent has no rank.
        ranked: symbols that may be followed.
        members: who is followed for it now.
    """
    order = sorted((symbol for symbol in ranked if symbol in turnover), key=lambda one: (-turnover[one], one))
    stay = set(order[: math.floor(top.count * SLACK)]) & set(members)
    return set(order[: top.count]) | stay


class Universe:
    """Which instruments of one venue are followed."""

    def __init__(
        self,
        venue: Venue,
        rest: Rest,
        words: Sequence[str],
        *,
        pick_every_s: float = 3600.0,
        clock: Callable[[], float] = monotonic_s,
    ) -> None:
        """`words` as in `wishes`.

        Raises:
            ConfigurationError: the busiest are asked for, and the venue does not say its turnover.
        """
        tops = {word: top for word in words if (top := top_of(word))}
        if tops and not venue.turnover_requests():
            raise ConfigurationError(
                f"CSX_INGEST_SYMBOLS: {venue.name} does not say its turnover, so {', '.join(tops)} cannot be chosen: "
                "name symbols"
            )
        self.turnover: dict[str, float] = {}
        """Quote currency in 24 hours by symbol, as last asked for."""
        self._venue = venue
        self._rest = rest
        self._named = [word for word in words if word not in tops]
        self._members: dict[str, set[str]] = {word: set() for word in tops}
        self._tops = tops
        self._pick_every_s = pick_every_s
        self._clock = clock
        self._picked_at: float | None = None
        self._awaited: set[str] = set()

    async def begin(self, catalogue: Mapping[str, Instrument], backoff: Backoff | None = None) -> dict[str, Instrument]:
        """Return the instruments to follow by symbol, the first time; asks for the turnover until it is answered.

        Raises:
            ConfigurationError: the catalogue (by symbol) has nothing of what is wished for.
        """
        backoff = backoff or Backoff(initial_s=0.5, cap_s=15.0)
        while self._tops:
            try:
                await self._pick(catalogue)
                break
            except (RestError, AnswerError) as e:
                self._unanswered(e)
                await asyncio.sleep(backoff.next_s())
        for word, members in self._members.items():
            if not members:
                raise ConfigurationError(f"CSX_INGEST_SYMBOLS: {self._venue.name} trades nothing that {word} chooses")
        if self._named and not self._tops and not any(symbol in catalogue for symbol in self._named):
            raise ConfigurationError(f"CSX_INGEST_SYMBOLS: {self._venue.name} lists none of {', '.join(self._named)}")
        return self._all(catalogue)

    async def choose(self, catalogue: Mapping[str, Instrument]) -> dict[str, Instrument]:
        """Return the instruments to follow now; ranks anew when it is time, keeps its choice when that fails."""
        if self._tops and self._due():
            try:
                await self._pick(catalogue)
            except (RestError, AnswerError) as e:
                self._unanswered(e)
        return self._all(catalogue)

    def _due(self) -> bool:
        return self._picked_at is None or self._clock() - self._picked_at >= self._pick_every_s

    async def _pick(self, catalogue: Mapping[str, Instrument]) -> None:
        by_native = {one.native: one for one in catalogue.values()}
        bodies = [
            body
            for request in self._venue.turnover_requests()
            for body in await pages(self._venue, self._rest, request)
        ]
        said = self._venue.turnover(bodies, by_native)
        turnover = {by_native[native].symbol: worth for native, worth in said.items() if native in by_native}
        known = set().union(*self._members.values())
        if not turnover or 2 * len(known & turnover.keys()) < len(known & catalogue.keys()):
            raise AnswerError(f"the turnover of {len(known & turnover.keys())} of {len(known)} followed is said")
        for word, top in self._tops.items():
            members = self._members[word]
            ranked = [
                one.symbol
                for one in catalogue.values()
                if top.admits(one.kind) and (one.live or (one.symbol in members and one.status not in _UNHEARD))
            ]
            self._members[word] = picked(top, turnover, ranked, members)
        self.turnover = turnover
        self._picked_at = self._clock()

    def _unanswered(self, error: Exception) -> None:
        metrics.CATALOGUE_FAILURES.labels(self._venue.name, "turnover").inc()
        log.warning("the venue does not say its turnover", extra={"venue": self._venue.name, "reason": str(error)})

    def _all(self, catalogue: Mapping[str, Instrument]) -> dict[str, Instrument]:
        """Return whom the named and the busiest are together; who is halted stays, who is gone does not."""
        listed = {symbol: one for symbol, one in catalogue.items() if one.status not in _UNHEARD}
        for members in self._members.values():
            members.intersection_update(listed)
        absent = [symbol for symbol in self._named if symbol not in listed]
        metrics.UNKNOWN_SYMBOLS.labels(self._venue.name).set(len(absent))
        for symbol in absent:
            if symbol not in self._awaited:
                log.error("%s does not list %s, or not yet: it is followed once it trades", self._venue.name, symbol)
        self._awaited = set(absent)
        busiest = sorted(set().union(*self._members.values()), key=lambda one: (-self.turnover.get(one, 0.0), one))
        wanted = [*self._named, *busiest]
        return {symbol: listed[symbol] for symbol in dict.fromkeys(wanted) if symbol in listed}
