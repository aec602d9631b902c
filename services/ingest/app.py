"""The ingest service: one venue's sockets and REST in, market events out to the broker.

This file is the whole wiring. What a venue means is in `venues`, which does no I/O.
"""

import functools

import httpx

from libs.common.bus.admin import ensure_topics
from libs.common.bus.kafka import connect
from libs.common.bus.reading import Reader
from libs.common.bus.topics import TOPICS
from libs.common.runtime.process import Process
from services.ingest import polling
from services.ingest.calls.rest import Rest
from services.ingest.delivery.leftovers import leftovers
from services.ingest.following import Ingest
from services.ingest.listings.refreshing import ended, refreshing, said
from services.ingest.listings.registry import Registry
from services.ingest.listings.universe import Universe
from services.ingest.recovery.positions import last_published
from services.ingest.settings import Settings
from services.ingest.vendor_settings import VENDORS_ALONE
from services.ingest.venues import VENUES


async def main(process: Process, settings: Settings) -> None:
    """Make the collaborators, wire them, start."""
    if settings.venue == VENDORS_ALONE:
        await polling.main(process, settings)
        return
    venue = VENUES[settings.venue](**settings.venue_options())
    client_id = f"csx-ingest-{venue.name}"
    bus = connect(settings, client_id, process)
    await ensure_topics(settings.kafka_bootstrap, TOPICS)
    await bus.start()
    client = httpx.AsyncClient(headers={"User-Agent": "cryptosatx"}, follow_redirects=False)
    process.on_stop(client.aclose)
    rest = Rest(
        venue.name,
        client,
        weight_per_minute=settings.rest_weight_per_minute or venue.weight_per_minute,
        burst_s=venue.burst_s,
        bans=venue.bans,
        overdone=venue.overdone,
    )
    registry = Registry(venue, rest, bus.publisher, origin=settings.origin)
    universe = Universe(venue, rest, settings.symbols, pick_every_s=settings.pick_every_s)
    await registry.begin()
    instruments = await universe.begin(registry.catalogue)
    async with Reader(settings.kafka_bootstrap, client_id) as reader:
        marks = await last_published(reader, venue.name, registry.catalogue)
        registry.remember(await said(reader, venue.name))
    left = await leftovers(settings.spill_dir, settings.spill_mib, venue.name)
    ingest = Ingest(settings, venue, instruments, sink=bus.publisher, rest=rest, marks=marks, left=left)
    ingest.start(process)
    looking = process.spawn(refreshing(registry, universe, ingest, settings.instruments_every_s), name="instruments")
    process.on_stop(functools.partial(ended, looking))
