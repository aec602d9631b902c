"""`csx ingest record`: a venue's sockets and REST answers in, a recording out; nothing is published.

It lives on the sessions, lines and timers of the service itself, so that a recording holds what ingest would have
seen: the catalogue, subscriptions, books' REST snapshots, reconnections. History and backfills are not asked for.
"""

import asyncio
import logging
import signal
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final

import httpx
from pydantic import ValidationError

from libs.common.events import BookSnapshot, MarketEvent, Origin
from libs.common.runtime.clock import monotonic_ns, now_ns
from libs.common.runtime.errors import ConfigurationError, DependencyDown, InputError
from libs.common.runtime.telemetry import configure_logging
from services.ingest import metrics
from services.ingest.calls.rest import Rest
from services.ingest.listings.catalogue import listed
from services.ingest.recording.entries import Entry, Kind
from services.ingest.recording.order import Order
from services.ingest.recording.recorder import Recorder
from services.ingest.recording.volumes import Index, Volumes
from services.ingest.settings import Settings
from services.ingest.sockets.feed import Feed
from services.ingest.sockets.intake import Taker
from services.ingest.sockets.line import Line
from services.ingest.sockets.timers import Timers
from services.ingest.venues import VENUES
from services.ingest.venues.terms import Instrument, Item, Plan, Rejected, Stream
from services.ingest.venues.venue import Session, Venue

log = logging.getLogger(__name__)

_LISTED_WITHIN_S: Final = 60.0
_CLOSE_WITHIN_S: Final = 3.0
_DIAL_SPACING_S: Final = 0.35


class Unkept(Taker):
    """Takes what sessions make of the frames, and keeps nothing: the frames themselves are recorded."""

    def __init__(self, venue: str) -> None:
        self._venue = venue

    def books(self, items: Iterable[Item], session: Session) -> list[BookSnapshot]:
        """Offer nothing."""
        del items, session
        return []

    async def whole(self, snapshot: BookSnapshot) -> None:
        """Know of no holes."""

    async def event(self, event: MarketEvent, seen: Counter[Hashable]) -> None:
        """Keep nothing."""

    def park(self, rejected: Rejected, origin_of: str) -> None:
        """Count it; the frame is in the recording."""
        metrics.REJECTS.labels(self._venue, rejected.reason).inc()
        log.info("unreadable frame", extra={"feed": origin_of, "reason": rejected.reason, "detail": rejected.detail})

    async def resumed(self, symbol: str) -> None:
        """Know of no holes."""

    def listening(self, symbol: str) -> None:
        """Know of no holes."""

    async def interrupted(self, symbol: str, stream: Stream, *, cause: str, from_ns: int) -> None:
        """Know of no holes: the recording says when a connection ended, and why."""


async def until_told(order: Order) -> Index | None:
    """`record`, which SIGTERM and SIGINT end."""
    configure_logging("ingest", "INFO", "console")
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return await record(order, stop)


async def record(order: Order, stop: asyncio.Event, recorder: Recorder | None = None) -> Index | None:
    """Record until the time is over or `stop` is set; return the index, or None if it was stopped before it began.

    Raises:
        InputError: see `Order.check`.
        ConfigurationError: the venue does not list a symbol, or `CSX_INGEST_*` does not fit it.
        DependencyDown: the venue does not answer, or the disk takes no more; what it took stays readable.
    """
    order.check()
    options = _venue_options(order)
    venue = VENUES[order.venue](**options)
    recorder = recorder or Recorder(secret=options.get("api_key", ""))

    async def heard(answer: httpx.Response) -> None:
        recorder.put(
            Entry(
                kind=Kind.ANSWER,
                wall_ns=now_ns(),
                mono_ns=monotonic_ns(),
                url=str(answer.request.url),
                status=answer.status_code,
                data=await answer.aread(),
            )
        )

    async with httpx.AsyncClient(
        headers={"User-Agent": "cryptosatx"}, follow_redirects=False, event_hooks={"response": [heard]}
    ) as client:
        rest = Rest(venue.name, client, bans=venue.bans, overdone=venue.overdone)
        try:
            instruments = await _found(venue, rest, order.symbols, stop)
            if instruments is None:
                return None
            lines = _lines(order, venue, instruments, rest, recorder)
            return await _recorded(order, lines, stop, recorder)
        finally:
            await rest.stop()


def _venue_options(order: Order) -> dict[str, Any]:
    """Return what the venue's maker takes; its key and choices of its own come from `CSX_INGEST_*`, as ingest's do."""
    told: dict[str, Any] = {"venue": order.venue, "symbols": order.symbols}
    told |= {name: url for name, url in (("ws_url", order.ws_url), ("rest_url", order.rest_url)) if url}
    try:
        settings = Settings(**told)
    except ValidationError as e:
        faults = "; ".join(f"CSX_INGEST_{str(one['loc'][0]).upper()}: {one['msg']}" for one in e.errors())
        raise ConfigurationError(faults) from None  # the cause would print the input, keys included
    return settings.venue_options()


async def _found(venue: Venue, rest: Rest, symbols: Sequence[str], stop: asyncio.Event) -> dict[str, Instrument] | None:
    """Return the instruments to follow by the venue's own names; None when it was stopped meanwhile."""
    asking = asyncio.create_task(listed(venue, rest))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({asking, stopping}, timeout=_LISTED_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            return None
        if not asking.done():
            raise DependencyDown(f"{venue.name} does not list its instruments: is its REST side reachable?")
        catalogue = asking.result()
    finally:
        for task in (asking, stopping):
            task.cancel()
        await asyncio.gather(asking, stopping, return_exceptions=True)
    live = {one.symbol: one for one in catalogue.values() if one.live}
    unknown = [symbol for symbol in symbols if symbol not in live]
    if unknown:
        raise ConfigurationError(f"--symbols: {venue.name} does not list {', '.join(unknown)}, or it does not trade")
    return {live[symbol].native: live[symbol] for symbol in symbols}


def _lines(
    order: Order, venue: Venue, instruments: dict[str, Instrument], rest: Rest, recorder: Recorder
) -> list[Line]:
    taker, timers = Unkept(venue.name), Timers()
    by_symbol = {one.symbol: one for one in instruments.values()}

    def feed(plan: Plan, active: bool) -> Feed:
        return Feed(
            f"{venue.name} {plan.url}",
            plan,
            venue,
            venue.session(plan, instruments, Origin.LIVE),
            instruments=by_symbol,
            intake=taker,
            rest=rest,
            timers=timers,
            active=active,
            tap=recorder.tap(),
        )

    plans = venue.plan(list(instruments.values()), order.streams)
    return [
        Line(venue.name, plan, feed, taker, first_wait_s=number * _DIAL_SPACING_S) for number, plan in enumerate(plans)
    ]


async def _recorded(order: Order, lines: list[Line], stop: asyncio.Event, recorder: Recorder) -> Index:
    index = Index(software=version("cryptosatx"), venue=order.venue, symbols=order.symbols, options=order.options())
    try:
        volumes = Volumes(order.out, index, rotate_bytes=order.rotate_bytes, wall_ns=now_ns(), mono_ns=monotonic_ns())
    except OSError as e:
        raise InputError(f"--out {order.out}: {e.strerror or e}") from e
    writing = asyncio.create_task(recorder.run(volumes), name="recorder")
    running = [asyncio.create_task(line.run(), name=f"line {number}") for number, line in enumerate(lines)]
    stopping = asyncio.create_task(stop.wait(), name="stop")
    done, _ = await asyncio.wait(
        {writing, stopping, *running}, timeout=order.seconds, return_when=asyncio.FIRST_COMPLETED
    )
    broken = done & set(running)  # a line lives until it is told to stop
    await _closed(lines, running)
    for task in (stopping, *running):
        task.cancel()
    await asyncio.gather(stopping, *running, return_exceptions=True)
    recorder.close()
    await asyncio.wait({writing})
    await _ended(order, volumes, writing, "fault" if broken else "signal" if stop.is_set() else "time")
    for task in broken:
        task.result()
    return index


async def _closed(lines: list[Line], running: list[asyncio.Task[None]]) -> None:
    await asyncio.wait([asyncio.ensure_future(line.stop()) for line in lines], timeout=_CLOSE_WITHIN_S)
    await asyncio.wait(running, timeout=_CLOSE_WITHIN_S)


async def _ended(order: Order, volumes: Volumes, writing: asyncio.Task[None], ended_by: str) -> None:
    try:
        writing.result()
        await asyncio.to_thread(volumes.close, ended_by)
    except OSError as e:
        reason = e.strerror or str(e)
        try:
            await asyncio.to_thread(volumes.abandon, reason)
        except OSError as more:
            log.warning("the index is not up to date", extra={"reason": str(more)})
        raise DependencyDown(f"{order.out}: {reason}; what was written until then stays readable") from e
