"""What a connection heard in; pings while it is quiet, and the cause to end it, out."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from libs.common.runtime.clock import monotonic_s
from services.ingest.venues.terms import Heartbeat, Stream

_PROMPT: Final = frozenset({Stream.TRADES, Stream.BOOKS})
"""Streams that speak within moments on any market; liquidations and funding may be silent for long."""


class Vigil:
    """Pings when idle; ends when dead or when a wanted stream never spoke."""

    def __init__(self, heartbeat: Heartbeat, streams: Collection[Stream], first_data_s: float) -> None:
        self.heard: set[str] = set()
        """Classes of what came; see `streams.CLASS_OF`."""
        self._beat = heartbeat
        self._wanted = _PROMPT & set(streams)
        self._first_data_s = first_data_s
        self._waiting_since: float | None = None

    def waiting(self) -> None:
        """Note that the next frame is awaited from now on."""
        self._waiting_since = monotonic_s()

    def arrived(self) -> None:
        """Note that a frame came; while it is offered nobody waits, for our slowness is not the venue's."""
        self._waiting_since = None

    async def keep(self, ping: Callable[[bytes], Awaitable[None]]) -> str:
        """Return the cause of the connection's end, once there is one; `ping` sends a frame."""
        beat = self._beat
        step_s = min(1.0, beat.idle_s / 4, beat.dead_s / 4, self._first_data_s / 4)
        pinged_at = began_at = monotonic_s()
        while True:
            await asyncio.sleep(step_s)
            now = monotonic_s()
            since = self._waiting_since
            if since is not None and now - since >= beat.dead_s:
                return "silent"
            if since is not None and now - began_at >= self._first_data_s and self._wanted - self.heard:
                return "first_data"
            quiet_since = max(pinged_at, since if since is not None and not beat.busy_too else pinged_at)
            if beat.ping is not None and now - quiet_since >= beat.idle_s:
                pinged_at = now
                await ping(beat.ping)
