"""When a connection pings: also a busy one, where the venue wants it."""

import asyncio

from services.ingest.venues.terms import Heartbeat, Stream
from services.ingest.vigil import Vigil


async def test_a_busy_connection_pings_where_the_venue_wants_it() -> None:
    vigil = Vigil(Heartbeat(ping=b"ping", idle_s=0.2, dead_s=60, busy_too=True), (Stream.FUNDING,), 60)
    pinged = asyncio.Event()

    async def ping(frame: bytes) -> None:
        assert frame == b"ping"
        pinged.set()

    async def data() -> None:
        while True:
            vigil.waiting()
            await asyncio.sleep(0.005)
            vigil.arrived()

    tasks = [asyncio.create_task(vigil.keep(ping)), asyncio.create_task(data())]
    async with asyncio.timeout(10):
        await pinged.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
