"""A plan in, connections one after the other: reconnected for ever, replaced before the venue ends them."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s, now_ns
from services.ingest import metrics
from services.ingest.sockets.feed import Feed
from services.ingest.sockets.intake import Taker
from services.ingest.venues.terms import Plan

log = logging.getLogger(__name__)

HEALTHY_S: Final = 15.0
"""A connection that lived that long has proven the venue well: the next wait begins small again."""


class Rotation(Struct, frozen=True, kw_only=True):
    """When a connection is replaced although it is well; seconds."""

    every_s: float = 23 * 3600.0
    """Binance cuts after 24 h."""
    jitter: float = 0.05
    """Share by which each connection's time differs, so that not all are replaced at once."""
    overlap_s: float = 30.0
    """How long two connections may live side by side,"""
    overlap_symbol_s: float = 1.5
    """and how much longer for each symbol: some venues' books are fetched one by one."""


class Line:
    """Keeps one plan connected. `open_feed(active)` makes its next connection."""

    def __init__(
        self,
        venue: str,
        plan: Plan,
        open_feed: Callable[[Plan, bool], Feed],
        intake: Taker,
        *,
        rotation: Rotation | None = None,
        backoff: Backoff | None = None,
        first_wait_s: float = 0.0,
    ) -> None:
        self._venue = venue
        self._plan = plan
        self._open_feed = open_feed
        self._intake = intake
        self._rotation = rotation or Rotation()
        self._backoff = backoff or Backoff(initial_s=0.5, cap_s=30.0)
        self._first_wait_s = first_wait_s
        self._chance = random.Random()  # noqa: S311  (jitter, not a secret)
        self._stopping = asyncio.Event()
        self._live: dict[Feed, asyncio.Task[str]] = {}
        self._speaker: Feed | None = None
        self._lost_at: float | None = None
        self._changed = asyncio.Event()
        self._settled = asyncio.Event()
        self._settled.set()

    @property
    def plan(self) -> Plan:
        """What is to be heard; the connection that is open may still be of the plan before."""
        return self._plan

    @property
    def connected(self) -> bool:
        """Whether the connection that speaks for the plan is open."""
        speaker = self._speaker
        return speaker is not None and speaker in self._live and speaker.opened_at is not None

    def publish_books(self) -> None:
        """Have every book in sync published whole."""
        if self._speaker is not None:
            self._speaker.publish_books()

    def change(self, plan: Plan) -> None:
        """Have the next connection made for `plan` at once, beside the one that is open, which it replaces."""
        self._plan = plan
        self._changed.set()
        self._settle()

    async def settled(self) -> None:
        """Return once no connection of an earlier plan is left."""
        await self._settled.wait()

    async def run(self) -> None:
        """Stay connected until `stop`."""
        try:
            await self._pause(self._first_wait_s)
            while not self._stopping.is_set():
                await self._stretch(self._start(active=True))
        finally:
            tasks = list(self._live.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._live.clear()
            self._settle()

    async def stop(self) -> None:
        """End every connection; what they have read is offered before they are gone."""
        self._stopping.set()
        for feed in list(self._live):
            feed.end("stop")
        await asyncio.gather(*self._live.values(), return_exceptions=True)

    async def _stretch(self, feed: Feed) -> None:
        """Follow one unbroken chain of connections to its end, and wait before the next."""
        while True:
            task = self._live[feed]
            await self._first_of(task, feed.rotating.wait(), self._changed.wait(), within_s=self._lifetime_s())
            if task.done() or self._stopping.is_set():
                await self._ended(feed, task)
                return
            feed = await self._replace(feed)

    async def _replace(self, old: Feed) -> Feed:
        """Open the next connection beside `old` and hand over; return the one that speaks from now on."""
        task = self._live[old]
        new = self._start(active=False)
        overlap_s = self._rotation.overlap_s + self._rotation.overlap_symbol_s * len(new.plan.symbols)
        await self._first_of(self._live[new], new.proven.wait(), task, self._changed.wait(), within_s=overlap_s)
        if self._stopping.is_set():
            return old
        if self._changed.is_set() and not task.done():
            new.end("superseded")
            await self._forget(new)
            return old
        if self._live[new].done() or new.opened_at is None:
            log.warning(
                "a connection could not be replaced: the old one goes on, and another is tried",
                extra={"venue": self._venue, "url": self._plan.url},
            )
            new.end("replacement_failed")
            await self._forget(new)
            if old.plan is not self._plan:
                self._changed.set()
            await self._first_of(task, within_s=self._backoff.next_s())
            return old
        if task.done():
            await self._interrupted(old, task.result())
        old.retire()
        self._speaker = new
        new.activate()  # nothing is awaited between the two: the books of the new one continue here
        old.end("rotated")
        await self._forget(old)
        return new

    async def _ended(self, feed: Feed, task: "asyncio.Task[str]") -> None:
        cause = await task
        self._live.pop(feed, None)
        self._settle()
        metrics.DISCONNECTS.labels(self._venue, cause).inc()
        if self._stopping.is_set():
            return
        self._lost_at = feed.lost_at or monotonic_s()
        await self._interrupted(feed, cause)
        if feed.opened_at is not None and monotonic_s() - feed.opened_at >= HEALTHY_S:
            self._backoff.reset()
        wait_s = self._backoff.next_s()
        log.warning(
            "a connection is lost: reconnecting; what is missed is fetched, or stays a Gap",
            extra={
                "venue": self._venue,
                "cause": cause,
                "wait_s": round(wait_s, 3),
                "url": feed.plan.url,
                "symbols": len(feed.plan.symbols),
            },
        )
        await self._pause(wait_s)

    async def _interrupted(self, feed: Feed, cause: str) -> None:
        if feed.opened_at is None:
            return
        from_ns = feed.last_frame_ns or now_ns()
        word = "timeout" if cause in {"silent", "first_data"} else "disconnect"
        for symbol in feed.plan.symbols:
            for stream in feed.plan.streams if symbol in self._plan.symbols else ():
                await self._intake.interrupted(symbol, stream, cause=word, from_ns=from_ns)

    async def _forget(self, feed: Feed) -> None:
        task = self._live.pop(feed)
        cause = await task
        self._settle()
        metrics.DISCONNECTS.labels(self._venue, cause).inc()

    def _start(self, *, active: bool) -> Feed:
        self._changed.clear()
        feed = self._open_feed(self._plan, active)
        if active:
            feed.lost_at, self._lost_at = self._lost_at, None
        self._live[feed] = asyncio.create_task(feed.run(), name=f"feed {self._plan.url}")
        if active:
            self._speaker = feed
        return feed

    def _settle(self) -> None:
        if all(feed.plan is self._plan for feed in self._live):
            self._settled.set()
        else:
            self._settled.clear()

    def _lifetime_s(self) -> float:
        return self._rotation.every_s * (1 - self._rotation.jitter * self._chance.random())

    async def _pause(self, seconds: float) -> None:
        await self._first_of(within_s=seconds)

    async def _first_of(self, *facts: "Awaitable[object]", within_s: float) -> None:
        """Wait for one of `facts`, the order to stop, or the time; tasks among them live on, others are cancelled."""
        own = [asyncio.ensure_future(fact) for fact in (*facts, self._stopping.wait())]
        try:
            await asyncio.wait(own, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waits = [one for one, fact in zip(own, (*facts, None), strict=True) if one is not fact]
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
