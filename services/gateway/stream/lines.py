"""A connection that only an ASGI server can write to, as a line: bytes in, awaited sends out."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

_WAITS: Final = 16

Send = Callable[[bytes], Awaitable[None]]


class QueuedLine:
    """Messages wait here for their turn; a few of them, and then the line is paused."""

    def __init__(self, send: Send, goodbye: Callable[[int, str], Awaitable[None]], *, send_s: float) -> None:
        self._send = send
        self._goodbye = goodbye
        self._send_s = send_s
        self._waiting: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._ending: tuple[int, str] | None = None
        self._gone = False
        self.room: Callable[[], None] = lambda: None
        """Called when the line takes more again."""

    @property
    def paused(self) -> bool:
        """True while the connection takes no more."""
        return len(self._waiting) >= _WAITS

    def write(self, payload: bytes) -> None:
        """Send one message."""
        if self._ending is None:
            self._waiting.append(payload)
            self._wake.set()

    def ping(self) -> None:
        """Do nothing: the server keeps such connections alive."""

    def end(self, code: int, reason: str) -> None:
        """Say goodbye after what was written, and close."""
        if self._ending is None:
            self._ending = code, reason
            self._wake.set()

    def abort(self) -> None:
        """Close without a word."""
        self._waiting.clear()
        self._gone = True
        self._wake.set()

    async def pump(self) -> None:
        """Send what waits until the line ends; a peer that takes nothing for too long ends it too."""
        while not self._gone:
            await self._wake.wait()
            self._wake.clear()
            try:
                await self._empty()
                if self._ending is not None and not self._gone:
                    async with asyncio.timeout(self._send_s):
                        await self._goodbye(*self._ending)
                    return
            except TimeoutError:
                return

    async def _empty(self) -> None:
        while self._waiting and not self._gone:
            full = self.paused
            payload = self._waiting.popleft()
            async with asyncio.timeout(self._send_s):
                await self._send(payload)
            if full:
                self.room()
