"""One connection's life: dial, subscribe, read, stamp, parse, offer; it ends with a cause and leaves nothing behind."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Hashable, Mapping
from typing import Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI, ProtocolError

from libs.common.events import BookDelta, BookSnapshot, Gap, MarketEvent
from libs.common.runtime.clock import monotonic_s, now_ns
from services.ingest import metrics
from services.ingest.calls.rest import Rest
from services.ingest.sockets.children import Children
from services.ingest.sockets.dial import MAX_FRAME_BYTES, dial, ending
from services.ingest.sockets.habits import Habits
from services.ingest.sockets.intake import Taker
from services.ingest.sockets.remedies import Remedies
from services.ingest.sockets.resync import Resync
from services.ingest.sockets.silence import Silence
from services.ingest.sockets.tap import Tap
from services.ingest.sockets.timers import Timers
from services.ingest.sockets.vigil import Vigil
from services.ingest.streams import CLASS_OF
from services.ingest.venues.terms import (
    Acknowledged,
    Heard,
    Instrument,
    Item,
    Plan,
    Reconnect,
    Rejected,
    Reply,
    Resubscribe,
    Rotate,
    SnapshotWanted,
    Stream,
)
from services.ingest.venues.venue import Session, Venue
from services.ingest.venues.wire import rejected

log = logging.getLogger(__name__)

_CHECKS_EVERY_S: Final = 5.0


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
        intake: Taker,
        rest: Rest,
        timers: Timers,
        active: bool,
        tap: Tap | None = None,
        habits: Habits | None = None,
        halted: Callable[[str], bool] = lambda _symbol: False,
    ) -> None:
        """`instruments` by canonical symbol. A feed that is not `active` follows its books without offering them.

        `tap` hears everything that goes over the connection, before it means anything. `habits` are the venue's;
        without them no topic is judged by its pace. `halted` says of a symbol whether it does not trade now.
        """
        self.plan = plan
        self.proven = asyncio.Event()
        """Everything it was made for has arrived: it may replace another one."""
        self.rotating = asyncio.Event()
        """The venue announced its end, or a topic of it is stalled."""
        self.opened_at: float | None = None
        self.lost_at: float | None = None  # the connection before it, until its own first datum; monotonic
        self.last_frame_ns = 0
        self._name = name
        self._venue = venue
        self._session = session
        self._intake = intake
        self._timers = timers
        self._active = active
        self._tap = tap
        self._cause: str | None = None
        self._socket: ClientConnection | None = None
        self._children = Children(name, self.end)
        self._vigil = Vigil(venue.heartbeat)
        self._resync = Resync(
            name,
            venue,
            instruments=instruments,
            rest=rest,
            timers=timers,
            send=self._send,
            answer=self._answered,
            spawn=self._children.spawn,
            end=self.end,
        )
        self._silence = Silence(
            plan, habits, timers.first_data_s, session.resubscribe, resyncing=self._resync.under_way, halted=halted
        )
        self._remedies = Remedies(
            name, venue.name, self._silence, intake, self._send, spawn=self._children.spawn, renew=self.rotating.set
        )
        self._synced: set[str] = set()
        self._seen: Counter[Hashable] = Counter()
        self._checks = metrics.ChecksMeter(venue.name, session.checks)
        self._frames = metrics.FRAMES.labels(venue.name)
        self._bytes = metrics.FRAME_BYTES.labels(venue.name)

    async def run(self) -> str:
        """Live; never raises for what a network or a venue may do."""
        try:
            async with dial(self.plan.url, self._timers, self.plan.headers) as connection:
                await self._live(connection)
        except TimeoutError:
            self._end_by("connect_timeout")
        except ConnectionClosed as e:
            self._end_by(cause := ending(e))
            if cause == "oversize":
                self._park(rejected("oversize", f"a frame above {MAX_FRAME_BYTES} bytes", b""))
        except (OSError, InvalidHandshake, InvalidURI, ProtocolError) as e:
            log.info("a connection failed", extra={"feed": self._name, "reason": repr(e)})
            self._end_by("unreachable" if self.opened_at is None else "broken")
        finally:
            if self.opened_at is not None:
                metrics.CONNECTED.labels(self._venue.name).dec()
            await self._children.reap()
            self._checks.update()
            if self._tap is not None:
                self._tap.ended(self._cause or "closed")
        return self._cause or "closed"

    def activate(self) -> None:
        """Begin to offer books; those in sync are offered whole, so that what follows continues them."""
        self._active = True
        for book in self.publish_books():
            self._children.spawn(self._intake.whole(book), f"whole {book.symbol}")

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
            self._children.spawn(self._close(self._socket), "close")

    def _end_by(self, cause: str) -> None:
        if self._cause is None:
            self._cause = cause
            log.info("connection ends", extra={"feed": self._name, "cause": cause})

    async def _close(self, connection: ClientConnection) -> None:
        await connection.close()

    async def _live(self, connection: ClientConnection) -> None:
        self._socket = connection
        self.opened_at = monotonic_s()
        metrics.CONNECTS.labels(self._venue.name).inc()
        metrics.CONNECTED.labels(self._venue.name).inc()
        if self._tap is not None:
            self._tap.opened(self.plan.url)
        if self._cause is not None:  # told to end while it was dialling
            return
        self._children.spawn(self._subscribe(), "subscribe")
        self._children.spawn(self._watch(), "watch")
        self._children.spawn(self._check(), "checks")
        while True:
            self._vigil.waiting()
            frame = await connection.recv(decode=False)  # a text frame may be no UTF-8: that is the session's matter
            received_ns = now_ns()
            self._vigil.arrived()
            self.last_frame_ns = received_ns
            self._frames.inc()
            self._bytes.inc(len(frame))
            if self._tap is not None:
                await self._tap.received(frame, received_ns)
            await self._take(self._read(frame, received_ns))

    def _read(self, frame: bytes, received_ns: int) -> list[Item]:
        try:
            return self._session.receive(frame, received_ns)
        except Exception as e:  # a session must not raise: its state is unknown now, so the connection ends
            log.exception("a session broke: the frame is parked, the connection made anew", extra={"feed": self._name})
            self.end("handler")
            return [rejected("handler", repr(e), frame)]

    async def _take(self, items: list[Item]) -> None:
        """Give each item its way; the books first, before anything is awaited."""
        snapshots = self._intake.books(items, self._session) if self._active else []
        for item in items:
            if isinstance(item, BookDelta):
                if self._spoke(Stream.BOOKS, item) and self._active:  # its gap ends with the book as it stands
                    book = self._session.book(item.symbol)
                    snapshots += self._intake.books([book] if book else [], self._session)
            elif isinstance(item, BookSnapshot):
                self._spoke(Stream.BOOKS, item)
                self._synced.add(item.symbol)
                self._check_proven()
            else:
                await self._dispatch(item)
        for snapshot in snapshots:
            await self._intake.whole(snapshot)

    async def _dispatch(self, item: Item) -> None:
        match item:
            case Rejected():
                self._park(item)
            case SnapshotWanted() | Resubscribe():
                self._silence.lost(item.symbol, self._vigil.listened_s)
                self._resync.want(item)
            case Reconnect():
                self.end(item.cause)
            case Heard():
                self._silence.alive(item.stream, item.symbol, self._vigil.listened_s)
            case Reply():
                await self._send(item.frame)
            case Rotate():
                log.info("the venue announced the end", extra={"feed": self._name, "cause": item.cause})
                self.rotating.set()
            case Acknowledged():
                await self._resumed()
            case _:
                await self._event(item)

    async def _event(self, event: MarketEvent) -> None:
        if self._silence.mute:
            await self._resumed()
        self._spoke(CLASS_OF[type(event)], event)
        self._check_proven()
        if self._active or not isinstance(event, Gap) or event.stream != Stream.BOOKS:
            await self._intake.event(event, self._seen)

    def _spoke(self, stream: str, event: MarketEvent) -> bool:
        if self.lost_at is not None:
            metrics.FIRST_DATA.labels(self._venue.name).observe(monotonic_s() - self.lost_at)
            self.lost_at = None
        at_s = self._vigil.listened_s
        return self._silence.spoke(stream, event.symbol, at_s, event.event_ns, event.received_ns)

    def _park(self, item: Rejected) -> None:
        if item.reason == "error_frame":
            log.warning("the venue refuses something", extra={"feed": self._name, "reason": item.detail})
        self._intake.park(item, self._name)

    async def _resumed(self) -> None:
        """Close the holes of streams that nobody can fetch again."""
        for symbol in self.plan.symbols:
            await self._intake.resumed(symbol)

    def _check_proven(self) -> None:
        if Stream.BOOKS not in self.plan.streams or self._synced >= set(self.plan.symbols):
            self.proven.set()

    async def _answered(self, symbol: str, body: bytes) -> None:
        await self._take(self._session.snapshot(symbol, body, now_ns()))

    async def _subscribe(self) -> None:
        for number, frame in enumerate(self._session.subscribe()):
            if number:
                await asyncio.sleep(min(self._timers.subscribe_spacing_s, self._venue.frame_spacing_s))
            await self._send(frame)
        for symbol in self.plan.symbols if Stream.TRADES in self.plan.streams else ():
            self._intake.listening(symbol)

    async def _send(self, frame: bytes) -> None:
        assert self._socket is not None
        if self._tap is not None:
            self._tap.sent(frame)
        try:
            async with asyncio.timeout(self._timers.send_s):
                await self._socket.send(frame, text=True)
        except TimeoutError:
            self.end("send_timeout")

    async def _watch(self) -> None:
        self.end(await self._vigil.keep(self._send, self._judge, self._silence.expects))

    def _judge(self) -> str | None:
        return None if self.rotating.is_set() else self._remedies.judge(self._vigil.listened_s, active=self._active)

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(_CHECKS_EVERY_S)
            self._checks.update()
