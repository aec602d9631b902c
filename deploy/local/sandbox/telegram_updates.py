"""What users do in; updates for the bot out: each until it is confirmed, by long poll or to a webhook."""

import asyncio
from collections import deque
from typing import Any, Final

from msgspec import Struct

from deploy.local.sandbox.telegram_call import ApiError, Call
from deploy.local.sandbox.telegram_clock import Clock

FIRST_ID: Final = 700_000_001
KEPT_S: Final = 24 * 3600.0
LONGEST_POLL_S: Final = 50
MOST_AT_ONCE: Final = 100
_ASKED_FOR_ONLY: Final = frozenset({"chat_member", "message_reaction", "message_reaction_count"})
_WEBHOOK: Final = (
    "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first"
)
_OTHER: Final = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"
_SET: Final = "Conflict: terminated by setWebhook request"


class Waiting(Struct, frozen=True):
    """One update that is not confirmed yet."""

    update_id: int
    at_s: float
    body: dict[str, Any]


class Updates:
    """The queue of one bot."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queue: deque[Waiting] = deque()
        self._next = FIRST_ID
        self._poll: asyncio.Future[str | None] | None = None
        self.arrived = asyncio.Event()
        self.allowed: frozenset[str] = frozenset()
        """Empty: all but those that must be asked for by name."""
        self.webhook = False
        """Whether updates go to a webhook, so that nobody may poll."""

    def add(self, kind: str, payload: Any) -> int | None:
        """Queue one update; return its id, or None when the bot does not want its kind."""
        if kind not in self.allowed if self.allowed else kind in _ASKED_FOR_ONLY:
            return None
        update_id, self._next = self._next, self._next + 1
        self._queue.append(Waiting(update_id, self._clock.monotonic_s(), {"update_id": update_id, kind: payload}))
        self.arrived.set()
        self._end_poll(None)
        return update_id

    def pending(self) -> list[dict[str, Any]]:
        """Return what is not confirmed yet; Telegram keeps it for 24 hours."""
        while self._queue and self._queue[0].at_s < self._clock.monotonic_s() - KEPT_S:
            self._queue.popleft()
        return [waiting.body for waiting in self._queue]

    def allow(self, call: Call) -> None:
        """Take `allowed_updates` where the call has them, for what comes from now on."""
        given = call.json("allowed_updates", "allowed_updates")
        if given is None:
            return
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            raise ApiError(400, "Bad Request: can't parse allowed_updates: expected an Array of String")
        self.allowed = frozenset(given)

    def confirm(self, before: int) -> None:
        """Forget every update with an id below `before`."""
        while self._queue and self._queue[0].update_id < before:
            self._queue.popleft()

    def drop(self) -> None:
        """Forget all."""
        self._queue.clear()

    def take_over(self) -> None:
        """End a poll under way: a webhook is being set."""
        self._end_poll(_SET)

    async def get(self, call: Call) -> list[dict[str, Any]]:
        """Return up to 100 updates from `offset` on, waiting up to `timeout` (at most 50) seconds for the first.

        Raises:
            ApiError: 409, a webhook is set or another poll came while this one waited.
        """
        if self.webhook:
            raise ApiError(409, _WEBHOOK)
        self._end_poll(_OTHER)
        self.allow(call)
        limit = call.integer("limit", MOST_AT_ONCE, 1, MOST_AT_ONCE)
        timeout_s = call.integer("timeout", 0, 0, LONGEST_POLL_S)
        self._forget(call.integer("offset", 0, -(2**31), 2**31 - 1))
        if not self.pending() and timeout_s and (conflict := await self._wait(timeout_s)):
            raise ApiError(409, conflict)
        return self.pending()[:limit]

    def _forget(self, offset: int) -> None:
        if offset < 0:  # from the end of the queue; what is before is forgotten
            offset = self._next if not self._queue else self._queue[max(0, len(self._queue) + offset)].update_id
        self.confirm(offset)

    async def _wait(self, timeout_s: float) -> str | None:
        """Wait for an update; return the conflict that ended the wait, if one did."""
        self._poll = poll = asyncio.get_running_loop().create_future()
        sleep = asyncio.create_task(self._clock.sleep(timeout_s))
        waited: set[asyncio.Future[Any]] = {poll, sleep}
        try:
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            if self._poll is poll:
                self._poll = None
        return poll.result() if poll.done() else None

    def _end_poll(self, conflict: str | None) -> None:
        poll, self._poll = self._poll, None
        if poll and not poll.done():
            poll.set_result(conflict)
