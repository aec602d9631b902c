"""The time of a fake that speaks Telegram: the wall's, the wall's sped up, or one that a test moves by hand."""

import asyncio
import time
from typing import Final, Protocol

_SECOND_NS: Final = 1_000_000_000


class Clock(Protocol):
    """What the fake asks for the time."""

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch, UTC."""

    def monotonic_s(self) -> float:
        """Return seconds that never go back."""

    async def sleep(self, seconds: float) -> None:
        """Return when they have passed."""


class WallClock:
    """The machine's clock; `speed` 20 lets twenty seconds pass in one, so that limits are twenty times as wide."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._wall_ns, self._since_s = time.time_ns(), time.monotonic()

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch, UTC."""
        return self._wall_ns + int((self.monotonic_s() - self._since_s) * _SECOND_NS)

    def monotonic_s(self) -> float:
        """Return seconds that never go back."""
        return self._since_s + (time.monotonic() - self._since_s) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Return when they have passed."""
        await asyncio.sleep(seconds / self._speed)


class ManualClock:
    """Stands still until `advance`."""

    def __init__(self, now_ns: int = 1_767_225_600 * _SECOND_NS) -> None:
        self._now_ns = now_ns
        self._sleepers: set[asyncio.Event] = set()

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch, UTC."""
        return self._now_ns

    def monotonic_s(self) -> float:
        """Return seconds that never go back."""
        return self._now_ns / _SECOND_NS

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake everyone to look at it."""
        self._now_ns += round(seconds * _SECOND_NS)
        for moved in self._sleepers:
            moved.set()

    async def sleep(self, seconds: float) -> None:
        """Return when they have passed."""
        until_ns, moved = self._now_ns + round(seconds * _SECOND_NS), asyncio.Event()
        self._sleepers.add(moved)
        try:
            while self._now_ns < until_ns:
                moved.clear()
                await moved.wait()
        finally:
            self._sleepers.discard(moved)
