"""One client: messages in, bytes on its line out; it never waits, and what waits for it is bounded.

Of market data only the newest waits. Of kept channels nothing is copied: the client is a position in the shared tail,
and a count of what it still has to get; when that outgrows its bound, it is cut.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from functools import cache
from typing import Protocol

from prometheus_client import Counter

from services.gateway import metrics
from services.gateway.stream.closing import Close
from services.gateway.stream.envelope import Kept, Message, whole
from services.gateway.stream.index import Topic
from services.gateway.stream.tail import Tail


@cache
def _sent(channel: str) -> Counter:
    return metrics.SENT.labels(channel)


class Line(Protocol):
    """The connection, as a client needs it."""

    @property
    def paused(self) -> bool:
        """True while the connection takes no more."""

    def write(self, payload: bytes) -> None:
        """Send one message; never waits."""

    def ping(self) -> None:
        """Ask for a sign of life."""

    def end(self, code: int, reason: str) -> None:
        """Say goodbye after what was written, and close."""


class Client:
    """What one client listens to, and what waits for it."""

    __slots__ = (
        "__weakref__",
        "_busy",
        "_controls",
        "_marks",
        "_newest",
        "_pending",
        "_previous",
        "_room",
        "_size",
        "_tails",
        "closing",
        "line",
        "paused_since_s",
        "reader",
        "topics",
    )

    def __init__(self, line: Line, tails: Mapping[str, Tail], size: int) -> None:
        self.line = line
        self.reader = ""
        """Whose it is: a user's id, or `*` for who sees everything."""
        self.topics: set[Topic] = set()
        self.closing: Close | None = None
        self.paused_since_s: float | None = None
        self._size = size
        self._tails = tails
        self._busy = False
        self._room: asyncio.Future[None] | None = None
        self._controls: deque[bytes] = deque()
        self._newest: dict[tuple[str, str, str, str], Message] = {}
        self._previous: dict[tuple[str, str, str], int] = {}
        self._marks: dict[str, int] = {}
        self._pending: dict[str, int] = {}

    # --- what comes

    def say(self, payload: bytes) -> None:
        """Send an answer or a notice, before everything that waits."""
        if self.closing is not None:
            return
        if self.line.paused or self._controls:
            if len(self._controls) >= self._size:
                self.close(Close.SLOW)
                return
            self._controls.append(payload)
        else:
            self._write("control", payload)

    def offer(self, message: Message, made: dict[int | None, bytes] | None = None) -> None:
        """Take a message of a channel that conflates; `made` holds its bytes by `prev_seq`, for all who get it now."""
        if self.closing is not None:
            return
        if not (self._busy or self.line.paused or self._newest):
            self._send(message, made)
            return
        known = self._newest.get(message.key)
        if known is not None and known.seq > message.seq:
            return  # a snapshot that is older than what waits
        if self._newest.pop(message.key, None):
            metrics.CONFLATED.labels(message.channel).inc()
        elif len(self._newest) >= self._size:
            oldest = self._newest.pop(next(iter(self._newest)))
            metrics.CONFLATED.labels(oldest.channel).inc()
        self._newest[message.key] = message

    def told(self, item: Kept, payload: bytes | None = None) -> None:
        """Take a message of a channel of which nothing is left out; it is in the tail already.

        Args:
            item: the message.
            payload: its bytes, where they are the same for everybody.
        """
        mark = self._marks.get(item.channel)
        if self.closing is not None or mark is None or item.position <= mark or not item.seen_by(self.reader):
            return
        pending = self._pending.get(item.channel, 0)
        if not pending:
            if not (self._busy or self.line.paused):
                self._marks[item.channel] = item.position
                self._write(item.channel, self.payload(item) if payload is None else payload)
                return
            self._marks[item.channel] = item.position - 1  # nothing before it is wanted and was not sent
        elif pending >= self._size:
            self.close(Close.SLOW)
            return
        self._pending[item.channel] = pending + 1

    def flush(self) -> None:
        """Send what waits, as far as the line takes it."""
        if self.closing is not None:
            return
        while self._controls and not self.line.paused:
            self._write("control", self._controls.popleft())
        if self._busy:
            return
        for channel in [channel for channel, pending in self._pending.items() if pending]:
            self._drain(channel)
        while self._newest and not self.line.paused and self.closing is None:
            self._send(self._newest.pop(next(iter(self._newest))))

    def room(self) -> None:
        """Go on: the line takes more."""
        self.paused_since_s = None
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self.flush()

    # --- what it listens to

    @property
    def busy(self) -> bool:
        """True while a subscription begins."""
        return self._busy

    def hold(self) -> None:
        """Let messages wait while something has to be sent before them."""
        self._busy = True

    def release(self) -> None:
        """Send what waited."""
        self._busy = False
        self.flush()

    async def put(self, payload: bytes, channel: str) -> None:
        """Send a message of a replay or a snapshot as soon as the line takes it."""
        while self.line.paused and self.closing is None:
            self._room = asyncio.get_running_loop().create_future()
            try:
                await self._room
            finally:
                self._room = None
        if self.closing is None:
            self._write(channel, payload)

    async def present(self, message: Message) -> None:
        """Send a message of a snapshot as soon as the line takes it; what it shows already is sent no more."""
        await self.put(b"", message.channel)
        if self.closing is None:
            self._send(message)

    def forget(self) -> None:
        """Forget what was sent last: the counts begin anew."""
        self._previous.clear()

    async def settle(self, channel: str) -> int | None:
        """Send everything of a kept channel that waits; returns how far it then is, None: it does not listen to it."""
        while self._pending.get(channel) and self.closing is None:
            self._drain(channel)
            if self.line.paused:
                await self.put(b"", channel)
        return self.mark(channel)

    def mark(self, channel: str) -> int | None:
        """Return up to which position everything it wants of a kept channel was sent; None: it does not listen."""
        if channel not in self._marks:
            return None
        if not self._pending.get(channel):
            self._marks[channel] = max(self._marks[channel], self._tails[channel].head)
        return self._marks[channel]

    def attach(self, topic: Topic, position: int) -> None:
        """Listen from `position` of a kept channel on: what is newer waits in the tail, or has yet to be said."""
        self.topics.add(topic)
        self._marks[topic.channel] = position
        items = self._tails[topic.channel].since(position)
        assert items is not None, "the tail holds what comes after the position"
        self._pending[topic.channel] = sum(self._wants(item) for item in items)

    def detach(self, topic: Topic) -> bool:
        """Listen no more; False: it did not."""
        if topic not in self.topics:
            return False
        self.topics.discard(topic)
        if not any(other.channel == topic.channel for other in self.topics):
            self._marks.pop(topic.channel, None)
            self._pending.pop(topic.channel, None)
        elif self._pending.get(topic.channel):
            items = self._tails[topic.channel].since(self._marks[topic.channel]) or ()
            self._pending[topic.channel] = sum(self._wants(item) for item in items)
        for key in [key for key, one in self._newest.items() if not self.wants(key[0], one.venue, one.symbol)]:
            del self._newest[key]
        return True

    def wants(self, channel: str, venue: str, symbol: str) -> bool:
        """Tell whether any of its topics wants what is said of that market."""
        return any(topic.channel == channel and topic.wants(venue, symbol) for topic in self.topics)

    def close(self, code: Close) -> None:
        """End the stream, once."""
        if self.closing is not None:
            return
        self.closing = code
        metrics.CUT.labels(code.name.lower()).inc()
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self.line.end(code, code.name.lower())

    # --- what goes

    def _wants(self, item: Kept) -> bool:
        return item.seen_by(self.reader) and self.wants(item.channel, item.venue, item.symbol)

    def _drain(self, channel: str) -> None:
        items = self._tails[channel].since(self._marks[channel])
        if items is None:
            self.close(Close.SLOW)
            return
        for item in items:
            if self.line.paused or self.closing is not None:
                return
            self._marks[channel] = item.position
            if self._wants(item):
                self._pending[channel] -= 1
                self._write(item.channel, self.payload(item))

    def payload(self, item: Kept) -> bytes:
        """Return a kept message as this client gets it."""
        if item.owner is None:
            return item.whole
        market = item.channel, item.venue, item.symbol  # others' messages are between its own
        previous = self._previous.get(market)
        self._previous[market] = item.seq
        return whole(item.before, previous, item.after)

    def _send(self, message: Message, made: dict[int | None, bytes] | None = None) -> None:
        market = message.market
        previous = self._previous.get(market)
        if previous is not None and (message.seq < previous or (message.seq == previous and not message.snapshot)):
            return  # the snapshot showed it already
        self._previous[market] = message.seq
        before = None if message.snapshot else previous
        payload = None if made is None else made.get(before)
        if payload is None:
            payload = whole(message.before, before, message.after)
            if made is not None:
                made[before] = payload
        self._write(message.channel, payload)

    def _write(self, channel: str, payload: bytes) -> None:
        if payload:
            self.line.write(payload)
            _sent(channel).inc()
