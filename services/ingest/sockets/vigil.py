"""What a connection heard in; pings while it is quiet, and the cause to end it, out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from libs.common.runtime.clock import monotonic_s
from services.ingest.venues.terms import Heartbeat

_STEP_S: Final = 0.5


class Vigil:
    """Pings when idle; ends when the socket is dead, or when who judges its topics says so."""

    def __init__(self, heartbeat: Heartbeat, clock: Callable[[], float] = monotonic_s) -> None:
        self._beat = heartbeat
        self._clock = clock
        self._waiting_since: float | None = None
        self._listened_s = 0.0

    @property
    def listened_s(self) -> float:
        """Seconds spent waiting for frames: a clock that stands still while what came is offered."""
        since = self._waiting_since
        return self._listened_s if since is None else self._listened_s + self._clock() - since

    def waiting(self) -> None:
        """Note that the next frame is awaited from now on."""
        self._waiting_since = self._clock()

    def arrived(self) -> None:
        """Note that a frame came; while it is offered nobody waits, for our slowness is not the venue's."""
        self._listened_s = self.listened_s
        self._waiting_since = None

    async def keep(
        self,
        ping: Callable[[bytes], Awaitable[None]],
        judge: Callable[[], str | None],
        expects: Callable[[], bool] = lambda: True,
    ) -> str:
        """Return the cause of the connection's end, once there is one.

        Args:
            ping: sends a frame.
            judge: called a few times a second; returns a cause to end the connection.
            expects: returns whether there is anything to hear; else only a ping without answer proves death.
        """
        beat = self._beat
        step_s = min(_STEP_S, beat.idle_s / 4, beat.dead_s / 4)
        pinged_at = self._clock()
        while True:
            asked_at = self._clock()
            await asyncio.sleep(step_s)
            now = self._clock()
            self._forgive(now - asked_at - step_s)
            since = self._waiting_since
            if since is not None and now - since >= beat.dead_s and (beat.ping is not None or expects()):
                return "silent"
            if since is not None and (cause := judge()) is not None:
                return cause
            quiet_since = max(pinged_at, since if since is not None and not beat.busy_too else pinged_at)
            if beat.ping is not None and now - quiet_since >= beat.idle_s:
                pinged_at = now
                await ping(beat.ping)

    def _forgive(self, late_s: float) -> None:
        """Take no notice of the time in which this process did not run: frames may lie unread in the socket."""
        if late_s > _STEP_S and self._waiting_since is not None:
            self._waiting_since += late_s
