"""What a venue lists, by REST, page by page: asked once, or until it answers."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from libs.common.runtime.backoff import Backoff
from services.ingest.calls.rest import Rest, RestError
from services.ingest.venues.terms import AnswerError, Instrument, Request
from services.ingest.venues.venue import Venue, ignored

log = logging.getLogger(__name__)

PAGES: Final = 100
"""Of a catalogue; one that goes on longer never ends."""


async def asked(venue: Venue, rest: Rest, unnamed: Callable[[str], object] = ignored) -> dict[str, Instrument]:
    """Return the venue's instruments by its own names; `unnamed` is told of those that have no canonical symbol.

    Raises:
        RestError: the venue did not answer.
        AnswerError: it answered something else.
    """
    bodies = [body for one in venue.instruments_requests() for body in await pages(venue, rest, one)]
    return venue.instruments(bodies, unnamed)


async def listed(venue: Venue, rest: Rest, backoff: Backoff | None = None) -> dict[str, Instrument]:
    """Return the venue's instruments by its own names; asks until it answers."""
    backoff = backoff or Backoff(initial_s=0.5, cap_s=15.0)
    while True:
        try:
            return await asked(venue, rest)
        except (RestError, AnswerError) as e:
            log.warning(
                "the venue does not list its instruments: it is asked again",
                extra={"venue": venue.name, "reason": str(e)},
            )
            await asyncio.sleep(backoff.next_s())


async def pages(venue: Venue, rest: Rest, request: Request) -> list[bytes]:
    """Return the answers to one call of a catalogue and to those that continue it.

    Raises:
        RestError: a page did not come.
        AnswerError: they never end.
    """
    bodies: list[bytes] = []
    following: Request | None = request
    while following is not None:
        if len(bodies) >= PAGES:
            raise AnswerError(f"the catalogue has more than {PAGES} pages: {following.url}")
        bodies.append(await rest.fetch(following))
        following = venue.instruments_after(following, bodies[-1])
    return bodies
