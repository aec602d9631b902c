"""When a connection pings and which time counts as listening: never that in which we were busy ourselves."""

import asyncio

from services.ingest.sockets.vigil import Vigil
from services.ingest.venues.terms import Heartbeat


async def test_a_busy_connection_pings_where_the_venue_wants_it() -> None:
    vigil = Vigil(Heartbeat(ping=b"ping", idle_s=0.2, dead_s=60, busy_too=True))
    pinged = asyncio.Event()

    async def ping(frame: bytes) -> None:
        assert frame == b"ping"
        pinged.set()

    async def data() -> None:
        while True:
            vigil.waiting()
            await asyncio.sleep(0.005)
            vigil.arrived()

    tasks = [asyncio.create_task(vigil.keep(ping, lambda: None)), asyncio.create_task(data())]
    async with asyncio.timeout(10):
        await pinged.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_the_listening_clock_stands_still_while_what_came_is_offered() -> None:
    now = 100.0
    vigil = Vigil(Heartbeat(ping=None, idle_s=60, dead_s=60), lambda: now)
    assert vigil.listened_s == 0
    vigil.waiting()
    now = 103.0
    assert vigil.listened_s == 3
    vigil.arrived()
    now = 200.0  # the buffer was full for 97 s
    assert vigil.listened_s == 3
    vigil.waiting()
    now = 200.5
    assert vigil.listened_s == 3.5


async def test_time_in_which_the_process_did_not_run_is_nobodys_silence() -> None:
    now = 0.0
    vigil = Vigil(Heartbeat(ping=None, idle_s=60, dead_s=20), lambda: now)
    judged: list[float] = []

    def judge() -> str | None:
        judged.append(vigil.listened_s)
        return "enough" if len(judged) == 2 else None

    async def never(frame: bytes) -> None:
        raise AssertionError(frame)

    vigil.waiting()
    keeping = asyncio.create_task(vigil.keep(never, judge))
    await asyncio.sleep(0)
    now = 300.5  # a step is half a second: for 300 s nobody ran
    async with asyncio.timeout(10):
        while not judged:  # noqa: ASYNC110  (the judge is called by a clock of its own)
            await asyncio.sleep(0.01)
        now = 301.0
        assert await keeping == "enough"
    assert judged == [0.5, 1.0]
