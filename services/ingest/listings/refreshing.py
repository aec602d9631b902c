"""Time in, refreshes out: the catalogue is asked for, whom to follow is chosen, and the changes are published."""

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Final, Protocol

from libs.common.bus.codec import CodecError, decode
from libs.common.bus.reading import Reader
from libs.common.bus.topics import INSTRUMENTS
from libs.common.events import Listing
from services.ingest.listings.registry import Registry
from services.ingest.listings.universe import Universe
from services.ingest.venues.terms import Instrument

log = logging.getLogger(__name__)

SOON_S: Final = 30.0
"""Until the next try after a catalogue that was not believed, or did not come; never longer than the usual pace."""
JITTER: Final = 0.1
"""Share by which each pause differs, so that processes started together do not ask together."""


class Follower(Protocol):
    """What this file needs of `following.Ingest`."""

    @property
    def followed(self) -> Mapping[str, Instrument]:
        """What is listened to, by canonical symbol."""

    async def follow(self, wanted: Mapping[str, Instrument]) -> None:
        """Listen to `wanted` and to nothing else."""


async def refreshing(registry: Registry, universe: Universe, follower: Follower, every_s: float) -> None:
    """Publish what the first catalogue says; then, for ever, ask anew, follow what is wanted, publish what changed."""
    chance = random.Random()  # noqa: S311  (jitter, not a secret)
    taken = True
    while True:
        await registry.publish(follower.followed, universe.turnover)
        pause_s = every_s if taken else min(every_s, SOON_S)
        await asyncio.sleep(pause_s * (1 + JITTER * (2 * chance.random() - 1)))
        taken = await registry.refresh()
        try:
            await follower.follow(await universe.choose(registry.catalogue))
        except (
            Exception
        ):  # whatever an odd listing broke here: the feeds that run go on, and the next refresh tries again
            log.exception("whom to follow could not be changed")
            taken = False


async def ended(looking: asyncio.Task[None]) -> None:
    """Look no more: what it asks is about to be closed."""
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)


async def said(reader: Reader, venue: str) -> list[Listing]:
    """Return what the topic says of `venue`, the newest of each symbol.

    Raises:
        DependencyDown: the broker went away.
    """
    newest: dict[str, Listing] = {}
    for partition in range(INSTRUMENTS.partitions):
        async for raw in reader.read_all(INSTRUMENTS, partition):
            try:
                event = decode(raw.value or b"")
            except CodecError as e:  # a tombstone, or a version that nobody reads any more: it is said anew
                log.info("unreadable listing", extra={"key": raw.key.decode("utf-8", "replace"), "reason": str(e)})
                continue
            if isinstance(event, Listing) and event.venue == venue:
                newest[event.symbol] = event
    return list(newest.values())
