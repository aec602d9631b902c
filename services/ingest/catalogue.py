"""What a venue lists, asked until it answers; and the instruments that settings choose of it."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Final

from libs.common.runtime.backoff import Backoff
from libs.common.runtime.errors import ConfigurationError
from services.ingest import metrics
from services.ingest.rest import Rest, RestError
from services.ingest.venues.terms import AnswerError, Instrument, Request
from services.ingest.venues.venue import Venue

log = logging.getLogger(__name__)

PAGES: Final = 100
"""Of a catalogue; one that goes on longer never ends."""


async def listed(venue: Venue, rest: Rest, backoff: Backoff | None = None) -> dict[str, Instrument]:
    """Return the venue's instruments by its own names; asks until it answers."""
    backoff = backoff or Backoff(initial_s=0.5, cap_s=15.0)
    while True:
        try:
            return venue.instruments(
                [body for one in venue.instruments_requests() for body in await _pages(venue, rest, one)]
            )
        except (RestError, AnswerError) as e:
            log.warning("the venue does not list its instruments", extra={"venue": venue.name, "reason": str(e)})
            await asyncio.sleep(backoff.next_s())


async def _pages(venue: Venue, rest: Rest, request: Request | None) -> list[bytes]:
    bodies: list[bytes] = []
    while request is not None:
        if len(bodies) >= PAGES:
            raise AnswerError(f"the catalogue has more than {PAGES} pages: {request.url}")
        bodies.append(await rest.fetch(request))
        request = venue.instruments_after(request, bodies[-1])
    return bodies


def chosen(venue: str, catalogue: Mapping[str, Instrument], symbols: tuple[str, ...]) -> dict[str, Instrument]:
    """Return the instruments of `symbols` by the venue's own names; an unknown one is said and left out.

    Raises:
        ConfigurationError: none is known.
    """
    live = {one.symbol: one for one in catalogue.values() if one.live}
    unknown = [symbol for symbol in symbols if symbol not in live]
    metrics.UNKNOWN_SYMBOLS.labels(venue).set(len(unknown))
    for symbol in unknown:
        log.error("%s does not list %s, or it does not trade: it is left out", venue, symbol)
    if len(unknown) == len(symbols):
        raise ConfigurationError(f"CSX_INGEST_SYMBOLS: {venue} lists none of {', '.join(symbols)}")
    return {live[symbol].native: live[symbol] for symbol in symbols if symbol in live}
