"""One connection's stalled topics in; a gap, a log line, frames to the venue or the wish for a new connection out."""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from libs.common.runtime.clock import monotonic_s, now_ns
from services.ingest import metrics
from services.ingest.sockets.intake import Taker
from services.ingest.sockets.silence import Outcome, Silence, Stall

log = logging.getLogger(__name__)

GAVE_NOTHING: Final = "first_data"
"""The cause of a connection's end on which nothing ever came."""
_NEXT: Final = {
    Outcome.RESUBSCRIBED: "it is subscribed to again",
    Outcome.RECYCLED: "its connection is made anew, the next one before this one is closed",
    Outcome.FLAGGED: "it is waited for, what can be done was done or is not due; look whether its market is halted",
}


class Remedies:
    """Acts on what `Silence` finds."""

    def __init__(
        self,
        name: str,
        venue: str,
        silence: Silence,
        intake: Taker,
        send: Callable[[bytes], Awaitable[None]],
        *,
        spawn: Callable[[Coroutine[Any, Any, None], str], None],
        renew: Callable[[], None],
    ) -> None:
        """Take the connection's hands.

        Args:
            name: of the connection, for the log.
            venue: whose it is.
            silence: finds the topics.
            intake: takes the interruptions.
            send: sends a frame.
            spawn: runs work, named, as long as the connection lives.
            renew: has another connection made, and this one ended then.
        """
        self._name = name
        self._venue = venue
        self._silence = silence
        self._intake = intake
        self._send = send
        self._spawn = spawn
        self._renew = renew
        self._began_ns = now_ns()

    def judge(self, at_s: float, *, active: bool) -> str | None:
        """Act; return the cause to end the connection for, or None.

        Args:
            at_s: seconds that the connection has listened.
            active: it speaks for its topics: what it does not hear is missing.
        """
        if self._silence.given_up(at_s):
            return GAVE_NOTHING
        for stall in self._silence.judge(monotonic_s(), at_s):
            self._act(stall, active=active)
        return None

    def _act(self, stall: Stall, *, active: bool) -> None:
        metrics.STALLS.labels(self._venue, stall.stream, stall.outcome).inc()
        log.warning(
            "a topic is stalled: %s",
            _NEXT[stall.outcome],
            extra={
                "feed": self._name,
                "symbol": stall.symbol,
                "stream": stall.stream,
                "cause": stall.cause,
                "silence_s": round(stall.silence_s, 3),
                "outcome": stall.outcome,
            },
        )
        if stall.new and active:
            hole = self._intake.interrupted(
                stall.symbol, stall.stream, cause="timeout", from_ns=stall.heard_ns or self._began_ns
            )
            self._spawn(hole, f"hole {stall.symbol}")
        if stall.outcome is Outcome.RESUBSCRIBED:
            self._spawn(self._say(stall.frames), f"resubscribe {stall.symbol}")
        elif stall.outcome is Outcome.RECYCLED:
            self._renew()

    async def _say(self, frames: tuple[bytes, ...]) -> None:
        for frame in frames:
            await self._send(frame)
