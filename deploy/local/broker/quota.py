"""Bytes a client has produced in, seconds its answer waits out: a producer byte rate, as Kafka's quotas have it.

The answer itself is held back, as brokers did before 2.0: clients that ignore `throttle_time_ms` feel it too.
"""

import asyncio
from collections.abc import Coroutine
from typing import Final

_BURST_S: Final = 1.0


class Quota:
    """At most `bytes_per_s` for each client id, a second's worth at once."""

    def __init__(self, bytes_per_s: float) -> None:
        self._rate = bytes_per_s
        self._left: dict[str, tuple[float, float]] = {}

    def charge(self, client: str, size: int, now_s: float) -> float:
        """Note `size` bytes of `client` at `now_s`; return how long it has to wait."""
        most = self._rate * _BURST_S
        left, at_s = self._left.get(client, (most, now_s))
        left = min(most, left + (now_s - at_s) * self._rate) - size
        self._left[client] = (left, now_s)
        return max(0.0, -left / self._rate)


def held(answer: bytes, wait_s: float) -> Coroutine[None, None, bytes]:
    """Return `answer`, later."""

    async def later() -> bytes:
        await asyncio.sleep(wait_s)
        return answer

    return later()
