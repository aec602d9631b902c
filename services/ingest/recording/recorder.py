"""What taps hear in, batches to the files out: a bounded amount waits, and a slow disk makes the sockets wait."""

import asyncio
from typing import Final, Protocol

from libs.common.runtime.clock import monotonic_ns, monotonic_s, now_ns
from services.ingest.recording.entries import Entry, Kind
from services.ingest.recording.volumes import Index
from services.ingest.sockets.tap import Tap

BOUND_BYTES: Final = 8 << 20
FLUSH_EVERY_S: Final = 2.0
_GATHER_S: Final = 0.05
"""Frames of that time go to the disk together."""
_ENTRY_BYTES: Final = 200
"""What an entry weighs beside its frame, about."""


class Shelf(Protocol):
    """Where a recorder writes: `Volumes`. `write` is called in a thread, and never twice at once."""

    index: Index

    def write(self, entries: list[Entry], *, flush: bool) -> None:
        """Append; raises OSError where the disk does not take it."""


class Recorder:
    """Holds what was heard until it is written; `run` is the only writer."""

    def __init__(
        self, *, secret: str = "", bound_bytes: int = BOUND_BYTES, flush_every_s: float = FLUSH_EVERY_S
    ) -> None:
        """Take at most `bound_bytes`, and one more frame of each connection; `secret` is written as `***`."""
        self.fault: OSError | None = None
        """Why nothing is written any more."""
        self.waited = 0
        self.waited_s = 0.0
        self._secret = secret
        self._bound_bytes = bound_bytes
        self._flush_every_s = flush_every_s
        self._entries: list[Entry] = []
        self._pending_bytes = 0
        self._heard = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closing = False
        self._connections = 0

    @property
    def pending_bytes(self) -> int:
        """How much waits for the disk."""
        return self._pending_bytes

    def tap(self) -> Tap:
        """Return the tap of the next connection."""
        self._connections += 1
        return _ConnectionTap(self, self._connections)

    def put(self, entry: Entry) -> None:
        """Take an entry."""
        if self.fault is not None:
            return
        if self._secret:
            entry.url = entry.url.replace(self._secret, "***")
            entry.data = entry.data.replace(self._secret.encode(), b"***")
        self._entries.append(entry)
        self._pending_bytes += _weight(entry)
        if self._pending_bytes > self._bound_bytes:
            self._room.clear()
        self._heard.set()

    async def room(self) -> None:
        """Wait while more than the bound is unwritten."""
        if self._room.is_set():
            return
        self.waited += 1
        began = monotonic_s()
        await self._room.wait()
        self.waited_s += monotonic_s() - began

    def close(self) -> None:
        """Have `run` return once everything is written."""
        self._closing = True
        self._heard.set()

    async def run(self, volumes: Shelf) -> None:
        """Write to `volumes` until `close`.

        Raises:
            OSError: the disk does not take it; nothing is taken from then on, and nobody waits.
        """
        flushed = monotonic_s()
        try:
            while self._entries or not self._closing:
                await self._something()
                batch, self._entries = self._entries, []
                self._heard.clear()
                due = monotonic_s() - flushed >= self._flush_every_s
                volumes.index.waited, volumes.index.waited_s = self.waited, round(self.waited_s, 3)
                await asyncio.to_thread(volumes.write, batch, flush=due)
                flushed = monotonic_s() if due else flushed
                self._pending_bytes -= sum(map(_weight, batch))
                if self._pending_bytes <= self._bound_bytes:
                    self._room.set()
        except OSError as e:
            self.fault = e
            self._entries.clear()
            self._room.set()
            raise

    async def _something(self) -> None:
        """Wait for something to write, or for the next flush."""
        try:
            async with asyncio.timeout(self._flush_every_s):
                await self._heard.wait()
        except TimeoutError:
            return
        if not self._closing and self._room.is_set():
            await asyncio.sleep(_GATHER_S)


class _ConnectionTap:
    """Hears one connection."""

    def __init__(self, recorder: Recorder, number: int) -> None:
        self._recorder = recorder
        self._number = number

    def opened(self, url: str) -> None:
        self._put(Kind.CONNECT, now_ns(), url=url)

    async def received(self, frame: bytes, received_ns: int) -> None:
        self._put(Kind.RECEIVE, received_ns, data=frame)
        await self._recorder.room()

    def sent(self, frame: bytes) -> None:
        self._put(Kind.SEND, now_ns(), data=frame)

    def ended(self, cause: str) -> None:
        self._put(Kind.DISCONNECT, now_ns(), cause=cause)

    def _put(self, kind: Kind, wall_ns: int, *, url: str = "", cause: str = "", data: bytes = b"") -> None:
        self._recorder.put(
            Entry(
                kind=kind,
                wall_ns=wall_ns,
                mono_ns=monotonic_ns(),
                connection=self._number,
                url=url,
                cause=cause,
                data=data,
            )
        )


def _weight(entry: Entry) -> int:
    return len(entry.data) + _ENTRY_BYTES
