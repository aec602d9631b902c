"""What every sandbox exchange shares: its markets, who listens to which stream, and frames to them through faults."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from deploy.local.sandbox.faults import Faults
from deploy.local.sandbox.handler import Request, Response
from deploy.local.sandbox.shown import Shown
from deploy.local.sandbox.simulation import Happening
from deploy.local.sandbox.websocket import Socket

FROZEN_S: Final = 600.0
SLOW_BYTES: Final = 64 << 20
"""A connection with more than this unsent is cut, as the venues do with slow readers."""


class Exchange(ABC):
    """One venue's servers."""

    name: str
    prefix: str
    """Of every path."""
    ping_s: ClassVar[float] = 180.0
    """Between two pings of the venue's."""
    too_many: ClassVar[bytes]
    """What a refusal for too many calls says."""

    def __init__(self, faults: Faults, markets: Sequence[Shown]) -> None:
        self.markets = {m.listing.native: m for m in markets if m.listing.venue == self.name}
        self.gone: dict[str, Shown] = {}
        """Markets that were taken off the list, for whoever compares with them."""
        self.faults = faults
        self.sockets: set[Socket] = set()
        self.counts: Counter[str] = Counter()
        self._listeners: dict[str, dict[Socket, bool]] = {}

    @abstractmethod
    def admits(self, path: str) -> bool:
        """Return whether a WebSocket may be opened at `path`."""

    @abstractmethod
    def message(self, socket: Socket, text: bytes) -> None:
        """Answer what a client says."""

    @abstractmethod
    async def answer(self, request: Request) -> Response:
        """Answer a REST call."""

    @abstractmethod
    def tell(self, happening: Happening, ms: int) -> None:
        """Tell the listeners what a slice that ended at `ms` brought to one market of this venue."""

    def happened(self, happenings: Iterable[Happening], ms: int) -> None:
        """Tell the listeners what a slice that ended at `ms` brought."""
        for happening in happenings:
            if happening.market.listing.venue == self.name and happening.market.listing.native in self.markets:
                self.tell(happening, ms)

    def add(self, market: Shown) -> None:
        """Put a market on the list."""
        self.gone.pop(market.listing.native, None)
        self.markets[market.listing.native] = market

    def drop(self, market: Shown) -> None:
        """Take a market off the list; its streams stay open and silent."""
        self.gone[market.listing.native] = self.markets.pop(market.listing.native)

    def tick(self, now_s: float) -> None:
        """Cut connections that a fault keeps silent for longer than any client should bear, at `now_s` of the loop."""
        for socket in [socket for socket in self.sockets if socket.frozen and now_s - socket.active_s > FROZEN_S]:
            self.counts["half_open_cut"] += 1
            socket.abort()

    def opened(self, socket: Socket) -> None:
        """Take note of a new connection."""
        self.sockets.add(socket)
        self.counts["opened"] += 1

    def closed(self, socket: Socket) -> None:
        """Forget a connection."""
        self.sockets.discard(socket)
        self.counts["closed"] += 1
        for stream in [stream for stream, sockets in self._listeners.items() if socket in sockets]:
            self.unlisten(socket, stream)
        self.faults.forget(socket)

    def listen(self, socket: Socket, stream: str, *, deaf: bool = False) -> None:
        """Subscribe; a deaf subscription is acknowledged and never served."""
        self._listeners.setdefault(stream, {})[socket] = deaf

    def unlisten(self, socket: Socket, stream: str) -> None:
        """Unsubscribe."""
        sockets = self._listeners.get(stream)
        if sockets is not None:
            sockets.pop(socket, None)
            if not sockets:
                del self._listeners[stream]

    def streams(self, socket: Socket | None = None) -> list[str]:
        """Return the streams someone, or `socket`, listens to."""
        return [stream for stream, sockets in self._listeners.items() if socket is None or socket in sockets]

    def heard(self, stream: str) -> list[Socket]:
        """Return who listens to `stream`."""
        sockets = self._listeners.get(stream)
        return [socket for socket, deaf in sockets.items() if not deaf] if sockets else []

    def push(self, socket: Socket, stream: str, frame: bytes) -> None:
        """Send a data frame through the faults; a reader that is far too slow is cut."""
        if socket.backlog > SLOW_BYTES:
            self.counts["slow_readers_cut"] += 1
            socket.abort()
            return
        self.counts["data_frames"] += 1
        self.faults.send(self.name, socket, stream, frame, asyncio.get_running_loop().time())
