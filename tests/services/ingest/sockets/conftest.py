"""Lines of a venue between a scripted exchange and an in-memory broker."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import httpx
import pytest

from libs.common.events import Origin
from libs.common.runtime.backoff import Backoff
from services.ingest.calls.rest import Rest
from services.ingest.delivery.buffer import Buffer
from services.ingest.delivery.publisher import Draining
from services.ingest.delivery.rejects import Parking
from services.ingest.recovery.backfill import Limits
from services.ingest.recovery.gaps import Gaps
from services.ingest.recovery.recovery import Recovery
from services.ingest.sockets.feed import Feed
from services.ingest.sockets.intake import Intake
from services.ingest.sockets.line import Line
from services.ingest.sockets.timers import Timers
from services.ingest.venues.terms import Instrument, Plan, Stream
from services.ingest.venues.venue import Venue

Listening: TypeAlias = Callable[..., AbstractAsyncContextManager[Any]]


@pytest.fixture
def listening(tiny: Any) -> Listening:
    """Have a venue's lines listen; what the broker has of them is the context's value."""

    @asynccontextmanager
    async def listen(
        venue: Venue,
        instruments: Sequence[Instrument],
        answer: Callable[[httpx.Request], httpx.Response],
        timers: Timers,
        behind: tuple[str, int] | None = None,
    ) -> AsyncIterator[Any]:
        client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
        rest = Rest(venue.name, client, weight_per_minute=60_000, backoff=Backoff(initial_s=0.001, cap_s=0.002))
        by_symbol = {one.symbol: one for one in instruments}
        buffer, broker = Buffer(), tiny.Broker()
        gaps = Gaps(venue.name, Origin.LIVE, buffer)
        limits = Limits(grace_s=0.01, empty_wait_s=0.01)
        recovery = Recovery(venue, by_symbol, rest, buffer, gaps, limits=limits)
        if behind is not None:
            recovery.resume(instruments[0].symbol, *behind)
        parking = Parking(venue.name, broker)
        intake = Intake(venue.name, buffer, recovery, gaps, parking)

        def open_feed(plan: Plan, active: bool) -> Feed:
            return Feed(
                f"{venue.name} {plan.url}",
                plan,
                venue,
                venue.session(plan, {one.native: one for one in instruments}, Origin.LIVE),
                instruments=by_symbol,
                intake=intake,
                rest=rest,
                timers=timers,
                active=active,
            )

        plans = venue.plan(instruments, tuple(Stream))
        lines = [
            Line(venue.name, plan, open_feed, intake, backoff=Backoff(initial_s=0.01, cap_s=0.02)) for plan in plans
        ]
        draining = Draining(venue.name, buffer, broker, backoff=Backoff(initial_s=0.001, cap_s=0.01))
        tasks = [asyncio.create_task(work) for work in (draining.run(), parking.run(), *(line.run() for line in lines))]
        try:
            yield broker
        finally:
            for line in lines:
                await line.stop()
            await recovery.stop()
            buffer.close()
            await asyncio.wait_for(tasks[0], 5)
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await rest.stop()
            await client.aclose()

    return listen
