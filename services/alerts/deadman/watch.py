"""Beats in, messages to the owners out: one on silence, one now and then while it lasts, one on return."""

import asyncio
import datetime as dt
import logging
from typing import Final

from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s, now_ns
from services.alerts.channels.channel import (
    Ambiguous,
    Channel,
    Gone,
    Message,
    Moved,
    Outcome,
    Refused,
    RetryAfter,
    Sent,
)
from services.alerts.policy import deadman
from services.alerts.policy.deadman import Life, Limits, Notice, Told
from services.alerts.policy.markup import Piece, join
from services.alerts.policy.wording import mark_repeat

log = logging.getLogger(__name__)

_LOOKS: Final = 100
"""In one silence."""
_SEND_WITHIN_S: Final = 15.0


class Watch:
    """One life, and what each owner knows of it; each has a task of their own, so that none waits for another."""

    def __init__(self, channel: Channel, owners: tuple[str, ...], limits: Limits) -> None:
        self._channel = channel
        self._owners = owners
        self._limits = limits
        now_s = monotonic_s()
        self._life = Life(heard_s=now_s, since_s=now_s, looked_s=now_s)
        self._heard_ns: int | None = None

    def heard(self) -> None:
        """Take note of a beat."""
        self._life = deadman.beat(self._life, monotonic_s())
        self._heard_ns = now_ns()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            for owner in self._owners:
                group.create_task(self._tell(owner))

    @property
    def _pause_s(self) -> float:
        return min(0.5, self._limits.silence_s / _LOOKS)

    async def _look(self) -> None:
        while True:
            self._life = deadman.look(self._life, monotonic_s(), self._limits)
            await asyncio.sleep(self._pause_s)

    async def _tell(self, owner: str) -> None:
        told, address, backoff = Told(), owner, Backoff(1.0, 60.0)
        unsure: Notice | None = None  # what may have arrived
        while True:
            now_s = monotonic_s()
            self._life = deadman.look(self._life, now_s, self._limits)  # after a stop any task may wake first
            notice = deadman.due(self._life, told, now_s, self._limits)
            if unsure is not None and notice is not unsure:
                told, unsure = deadman.after(unsure, now_s), None
                continue
            if notice is None:
                await asyncio.sleep(self._pause_s)
                continue
            outcome = await self._send(address, notice, now_s - self._life.heard_s, repeated=unsure is not None)
            log.warning("dead-man's switch", extra={"notice": notice, "owner": owner, "outcome": repr(outcome)})
            match outcome:
                case Sent() | Gone() | Refused(permanent=True):
                    done = True  # told, or deaf to this one; the next notice tries
                case Ambiguous():
                    done, unsure = unsure is not None, notice  # once more, marked; not a third time
                case Moved(address):
                    done = False
                case _:
                    done = False
            if done:
                told, unsure = deadman.after(notice, monotonic_s()), None
                backoff.reset()
            else:
                asked_s = outcome.seconds if isinstance(outcome, RetryAfter) else None
                await asyncio.sleep(backoff.next_s() if asked_s is None else asked_s + 1.0)

    async def _send(self, address: str, notice: Notice, silent_s: float, *, repeated: bool) -> Outcome:
        words = wording(notice, silent_s, self._heard_ns)
        if repeated:
            words = mark_repeat(words)
        try:
            async with asyncio.timeout(_SEND_WITHIN_S):
                return await self._channel.send(Message(recipient=address, html=words.html, text=words.text))
        except TimeoutError:
            return Ambiguous(f"no answer within {_SEND_WITHIN_S:g} s")


def wording(notice: Notice, silent_s: float, heard_ns: int | None) -> Piece:
    """Return the words; `heard_ns` is the wall-clock time of the newest beat, None where there was none."""
    if notice is Notice.BACK:
        return join("CryptoSatX: the alerts service gives signs of life again")
    last = "none since this watch began" if heard_ns is None else f"the last at {_clock(heard_ns)}"
    lead = "no sign of life" if notice is Notice.SILENT else "still no sign of life"
    return join(f"CryptoSatX: {lead} from the alerts service for {silent_s:.0f} s ({last}). Alerts may not arrive")


def _clock(at_ns: int) -> str:
    return dt.datetime.fromtimestamp(at_ns // 1_000_000_000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
