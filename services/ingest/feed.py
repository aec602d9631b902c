"""One connection's life: dial, subscribe, read, stamp, parse, offer; it ends with a cause and leaves nothing behind."""

import asyncio
import contextlib
import logging
import socket as sockets
from collections import Counter
from collections.abc import Coroutine, Hashable, Mapping
from typing import Any, Final

from msgspec import Struct
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI, ProtocolError

from libs.common.events import BookDelta, BookSnapshot, Gap
from libs.common.runtime.clock import monotonic_s, now_ns
from services.ingest import metrics
from services.ingest.buffer import BOOKS, CLASS_OF
from services.ingest.intake import Intake
from services.ingest.pace import Pace
from services.ingest.rest import Rest, RestError
from services.ingest.venues.venue import (
    Acknowledged,
    Instrument,
    Item,
    Plan,
    Rejected,
    Reply,
    Resubscribe,
    Rotate,
    Session,
    SnapshotWanted,
    Venue,
)

log = logging.getLogger(__name__)

MAX_FRAME_BYTES: Final = 32 * 2**20
"""Sessions refuse what is above 8 MiB and live on; above this the library ends the connection with 1009."""

_OVERSIZE_CODE: Final = 1009
_PAYLOAD_BYTES: Final = 4096


class Timers(Struct, frozen=True, kw_only=True):
    """How patient a connection is; seconds."""

    connect_s: float = 30.0
    close_s: float = 1.0
    send_s: float = 5.0
    first_data_s: float = 60.0
    """A connection whose wanted streams have not all spoken by then is made anew."""
    subscribe_spacing_s: float = 0.25
    """Between two frames to the venue: 5 a second are allowed by the strictest."""
    resubscribe_spacing_s: float = 2.0
    snapshot_spacing_s: float = 0.5
    resyncs: int = 20
    """Fresh books of one symbol in ten minutes; beyond that the whole connection is made anew."""


class Feed:
    """One socket and its session; `run` returns the cause of its end."""

    def __init__(
        self,
        name: str,
        plan: Plan,
        venue: Venue,
        session: Session,
        *,
        instruments: Mapping[str, Instrument],
        intake: Intake,
        rest: Rest,
        timers: Timers,
        active: bool,
    ) -> None:
        """`instruments` by canonical symbol. A feed that is not `active` follows its books without offering them."""
        self.plan = plan
        self.proven = asyncio.Event()
        """Everything it was made for has arrived: it may replace another one."""
        self.rotating = asyncio.Event()
        """The venue announced its end."""
        self.opened_at: float | None = None
        self.last_frame_ns = 0
        self._name = name
        self._venue = venue
        self._session = session
        self._instruments = instruments
        self._intake = intake
        self._rest = rest
        self._timers = timers
        self._active = active
        self._cause: str | None = None
        self._socket: ClientConnection | None = None
        self._children: set[asyncio.Task[None]] = set()
        self._waiting_since: float | None = None
        self._heard: set[str] = set()
        self._synced: set[str] = set()
        self._seen: Counter[Hashable] = Counter()
        self._paces: dict[tuple[str, str], Pace] = {}
        self._resyncing: set[str] = set()
        self._frames = metrics.FRAMES.labels(venue.name)
        self._bytes = metrics.FRAME_BYTES.labels(venue.name)

    async def run(self) -> str:
        """Live; never raises for what a network or a venue may do."""
        try:
            async with connect(
                self.plan.url,
                compression=None,
                open_timeout=self._timers.connect_s,
                close_timeout=self._timers.close_s,
                ping_interval=None,  # the venue's own heartbeat decides, see `_watch`
                max_size=MAX_FRAME_BYTES,
            ) as connection:
                await self._live(connection)
        except TimeoutError:
            self._end_by("connect_timeout")
        except ConnectionClosed as e:
            self._end_by(self._closing(e))
        except (OSError, InvalidHandshake, InvalidURI, ProtocolError) as e:
            log.info("connection failed", extra={"feed": self._name, "reason": repr(e)})
            self._end_by("unreachable" if self.opened_at is None else "broken")
        finally:
            if self.opened_at is not None:
                metrics.CONNECTED.labels(self._venue.name).dec()
            await self._reap()
        return self._cause or "closed"

    def activate(self) -> None:
        """Begin to offer books; those in sync are offered whole, so that what follows continues them."""
        self._active = True
        for book in self.publish_books():
            self._spawn(self._intake.whole(book), f"{self._name} whole {book.symbol}")

    def retire(self) -> None:
        """Stop offering books: another connection does."""
        self._active = False

    def publish_books(self) -> list[BookSnapshot]:
        """Offer and return the whole book of every symbol in sync; none while not active."""
        if not self._active:
            return []
        books = [book for symbol in self.plan.symbols if (book := self._session.book(symbol)) is not None]
        return self._intake.books(books, self._session)

    def end(self, cause: str) -> None:
        """Close the socket; what was read is still offered, then `run` returns."""
        self._end_by(cause)
        if self._socket is not None:
            self._spawn(self._close(self._socket), f"{self._name} close")

    def _end_by(self, cause: str) -> None:
        if self._cause is None:
            self._cause = cause
            log.info("connection ends", extra={"feed": self._name, "cause": cause})

    async def _close(self, connection: ClientConnection) -> None:
        await connection.close()

    async def _live(self, connection: ClientConnection) -> None:
        _keep_alive(connection)
        self._socket = connection
        self.opened_at = monotonic_s()
        metrics.CONNECTS.labels(self._venue.name).inc()
        metrics.CONNECTED.labels(self._venue.name).inc()
        if self._cause is not None:  # told to end while it was dialling
            return
        self._spawn(self._subscribe(), f"{self._name} subscribe")
        self._spawn(self._watch(), f"{self._name} watch")
        while True:
            self._waiting_since = monotonic_s()
            frame = await connection.recv(decode=False)  # a text frame may be no UTF-8: that is the session's matter
            received_ns = now_ns()
            self._waiting_since = None
            self.last_frame_ns = received_ns
            self._frames.inc()
            self._bytes.inc(len(frame))
            await self._take(self._read(frame, received_ns))

    def _read(self, frame: bytes, received_ns: int) -> list[Item]:
        try:
            return self._session.receive(frame, received_ns)
        except Exception as e:  # a session must not raise: its state is unknown now, so the connection ends
            log.exception("session broke", extra={"feed": self._name})
            self.end("handler")
            return [Rejected(reason="handler", detail=repr(e), payload=frame[:_PAYLOAD_BYTES])]

    async def _take(self, items: list[Item]) -> None:
        """Give each item its way; the books first, before anything is awaited."""
        snapshots = self._intake.books(items, self._session) if self._active else []
        for item in items:
            if isinstance(item, BookSnapshot):
                self._synced.add(item.symbol)
                self._heard.add(BOOKS)
                self._check_proven()
            elif not isinstance(item, BookDelta):
                await self._dispatch(item)
        for snapshot in snapshots:
            await self._intake.whole(snapshot)

    async def _dispatch(self, item: Item) -> None:
        match item:
            case BookSnapshot() | BookDelta():
                pass  # offered
            case Rejected():
                self._intake.parking.park(item, self._name)
            case SnapshotWanted():
                self._heard.add(BOOKS)
                self._resync(item.symbol, item.cause, "rest")
            case Resubscribe():
                self._heard.add(BOOKS)
                self._resync(item.symbol, item.cause, "socket", item.frames)
            case Reply():
                await self._send(item.frame)
            case Rotate():
                log.info("venue announced the end", extra={"feed": self._name, "cause": item.cause})
                self.rotating.set()
            case Acknowledged():
                await self._resumed()
            case _:
                if not self._heard:
                    await self._resumed()
                self._heard.add(CLASS_OF[type(item)])
                self._check_proven()
                if self._active or not isinstance(item, Gap) or item.stream != BOOKS:
                    await self._intake.event(item, self._seen)

    async def _resumed(self) -> None:
        """Close the holes of streams that nobody can fetch again."""
        for symbol in self.plan.symbols:
            await self._intake.gaps.closed(symbol, "liquidations", to_ns=now_ns(), now_ns=now_ns(), recovered=False)

    def _check_proven(self) -> None:
        if self.proven.is_set():
            return
        if BOOKS not in self.plan.streams or self._synced >= set(self.plan.symbols):
            self.proven.set()

    def _resync(self, symbol: str, cause: str, way: str, frames: tuple[bytes, ...] = ()) -> None:
        if symbol in self._resyncing:
            return
        spacing_s = self._timers.snapshot_spacing_s if way == "rest" else self._timers.resubscribe_spacing_s
        pace = self._paces.setdefault(
            (symbol, way), Pace(spacing_s=spacing_s, most=self._timers.resyncs, window_s=600.0)
        )
        wait_s = pace.ask(monotonic_s())
        if wait_s is None:
            self.end("resync_storm")
            return
        metrics.RESYNCS.labels(self._venue.name, way).inc()
        log.info("fresh book wanted", extra={"feed": self._name, "symbol": symbol, "cause": cause, "way": way})
        self._resyncing.add(symbol)
        remedy = self._fetch_book(symbol, wait_s) if way == "rest" else self._resubscribe(symbol, wait_s, frames)
        self._spawn(remedy, f"{self._name} resync {symbol}")

    async def _fetch_book(self, symbol: str, wait_s: float) -> None:
        await asyncio.sleep(wait_s)
        try:
            body = await self._rest.fetch(self._venue.snapshot_request(self._instruments[symbol]))
        except RestError as e:
            log.warning("no snapshot", extra={"feed": self._name, "symbol": symbol, "reason": str(e)})
            self._resyncing.discard(symbol)
            self._resync(symbol, "rest failed", "rest")
            return
        self._resyncing.discard(symbol)
        await self._take(self._session.snapshot(symbol, body, now_ns()))

    async def _resubscribe(self, symbol: str, wait_s: float, frames: tuple[bytes, ...]) -> None:
        await asyncio.sleep(wait_s)
        self._resyncing.discard(symbol)
        for frame in frames:
            await self._send(frame)

    async def _subscribe(self) -> None:
        for number, frame in enumerate(self._session.subscribe()):
            if number:
                await asyncio.sleep(self._timers.subscribe_spacing_s)
            await self._send(frame)

    async def _send(self, frame: bytes) -> None:
        assert self._socket is not None
        try:
            async with asyncio.timeout(self._timers.send_s):
                await self._socket.send(frame, text=True)
        except TimeoutError:
            self.end("send_timeout")

    async def _watch(self) -> None:
        """Ping when idle, end when dead or when a wanted stream never spoke."""
        beat = self._venue.heartbeat
        step_s = min(1.0, beat.idle_s / 4, beat.dead_s / 4, self._timers.first_data_s / 4)
        pinged_at = began_at = monotonic_s()
        wanted = {str(stream) for stream in self.plan.streams} & {BOOKS, "trades"}
        while True:
            await asyncio.sleep(step_s)
            now = monotonic_s()
            since = self._waiting_since  # None while a frame is being offered: our slowness is not the venue's
            if since is not None and now - since >= beat.dead_s:
                self.end("silent")
                return
            if since is not None and now - began_at >= self._timers.first_data_s and wanted - self._heard:
                self.end("first_data")
                return
            quiet_since = max(pinged_at, since if since is not None else pinged_at)
            if beat.ping is not None and now - quiet_since >= beat.idle_s:
                pinged_at = now
                await self._send(beat.ping)

    def _closing(self, closed: ConnectionClosed) -> str:
        if closed.sent is not None and closed.sent.code == _OVERSIZE_CODE:
            self._intake.parking.park(
                Rejected(reason="oversize", detail=f"a frame above {MAX_FRAME_BYTES} bytes", payload=b""), self._name
            )
            return "oversize"
        return "closed" if closed.rcvd is not None else "disconnect"

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        child = asyncio.create_task(work, name=name)
        self._children.add(child)
        child.add_done_callback(self._grown)

    def _grown(self, child: asyncio.Task[None]) -> None:
        self._children.discard(child)
        if child.cancelled() or (fault := child.exception()) is None:
            return
        if not isinstance(fault, ConnectionClosed):
            log.error("a connection's task broke", extra={"feed": self._name, "task": child.get_name()}, exc_info=fault)
            self.end("handler")

    async def _reap(self) -> None:
        while self._children:
            children = list(self._children)
            for child in children:
                child.cancel()
            await asyncio.gather(*children, return_exceptions=True)


def _keep_alive(connection: ClientConnection) -> None:
    """Have the kernel notice a peer that is gone, also while we send nothing."""
    raw = connection.transport.get_extra_info("socket")
    if raw is None:
        return
    options = {"TCP_KEEPIDLE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4, "TCP_USER_TIMEOUT": 30_000}
    with contextlib.suppress(OSError):
        raw.setsockopt(sockets.SOL_SOCKET, sockets.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(sockets, name):  # not every system has all of them
                raw.setsockopt(sockets.IPPROTO_TCP, getattr(sockets, name), value)
