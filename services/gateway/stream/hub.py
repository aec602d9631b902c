"""Views to stream clients: each has its own bounded queue, in which market data conflates and signals never do."""

import asyncio
import contextlib
import logging
from collections import deque
from enum import IntEnum, unique
from typing import Final

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common.runtime.backoff import Backoff
from services.gateway import metrics
from services.gateway.store.announcements import LIVE, Announcement

log = logging.getLogger(__name__)

CHANNELS: Final = ("price", "book", "candles", "readings", "signals", "health")
"""What may be subscribed to."""

_KEPT: Final = frozenset({"signals"})
"""Channels of which no message is ever replaced by a newer one."""

_decode: Final = msgspec.json.Decoder(Announcement)
_READ_S: Final = 1.0


@unique
class Close(IntEnum):
    """Why we close a stream."""

    DRAIN = 1001
    OVERSIZE = 1009
    FULL = 1013
    BAD_REQUEST = 4400
    UNAUTHENTICATED = 4401
    REVOKED = 4403
    SLOW = 4408
    RESYNC = 4409


class Topic(Struct, frozen=True):
    """What one subscription wants; an empty venue or symbol means any."""

    channel: str
    symbol: str = ""
    venue: str = ""

    def wants(self, message: "Message") -> bool:
        """Tell whether `message` belongs to it; what has no symbol belongs to everyone."""
        return (
            message.channel == self.channel
            and (not self.symbol or not message.symbol or message.symbol == self.symbol)
            and (not self.venue or not message.venue or message.venue == self.venue)
        )


class Message(Struct, frozen=True):
    """One text on its way to clients."""

    channel: str
    venue: str
    symbol: str
    slot: str
    text: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a newer one with the same key replaces."""
        return self.channel, self.venue, self.symbol, self.slot


class Client:
    """One client's queue."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: deque[Message] = deque()
        self._newest: dict[tuple[str, str, str, str], Message] = {}
        self._opening: dict[Topic, list[Message]] = {}
        self._wake = asyncio.Event()
        self.topics: set[Topic] = set()
        self.closing: Close | None = None

    def begin(self, topic: Topic) -> None:
        """Subscribe: from now on messages are held until `open` has put the snapshot before them."""
        self._opening[topic] = []

    def open(self, topic: Topic, snapshot: list[Message]) -> None:
        """Queue the snapshot, then what came meanwhile."""
        held = self._opening.pop(topic, [])
        self.topics.add(topic)
        for message in (*snapshot, *held):
            self._push(message)

    def drop(self, topic: Topic) -> bool:
        """Unsubscribe; False: there was no such subscription."""
        self._opening.pop(topic, None)
        known = topic in self.topics
        self.topics.discard(topic)
        return known

    def offer(self, message: Message) -> None:
        """Queue `message` if a subscription wants it."""
        if any(topic.wants(message) for topic in self.topics):
            self._push(message)
            return
        for topic, held in self._opening.items():
            if topic.wants(message):
                if message.channel not in _KEPT:
                    held[:] = [other for other in held if other.key != message.key]
                held.append(message)
                if len(held) > self._size:
                    self.close(Close.SLOW)
                return

    def say(self, text: str) -> None:
        """Queue an answer or a heartbeat."""
        self._push(Message("", "", "", "", text), kept=True)

    def close(self, code: Close) -> None:
        """End the stream with `code`, once."""
        if self.closing is None:
            self.closing = code
            metrics.CUT.labels(code.name.lower()).inc()
        self._wake.set()

    async def take(self) -> list[Message]:
        """Wait for messages; signals first. Empty when the stream is to be closed."""
        await self._wake.wait()
        self._wake.clear()
        if self.closing is not None:
            self._wake.set()
            return []
        taken = [*self._kept, *self._newest.values()]
        self._kept.clear()
        self._newest.clear()
        return taken

    def _push(self, message: Message, *, kept: bool = False) -> None:
        if kept or message.channel in _KEPT:
            if len(self._kept) >= self._size:
                self.close(Close.SLOW)
                return
            self._kept.append(message)
        else:
            if self._newest.pop(message.key, None):
                metrics.CONFLATED.labels(message.channel).inc()
            self._newest[message.key] = message
        self._wake.set()


class Hub:
    """All stream clients of this process."""

    def __init__(self, *, max_clients: int = 1000, queue_size: int = 1000) -> None:
        self._max_clients = max_clients
        self._queue_size = queue_size
        self._clients: set[Client] = set()
        self._empty = asyncio.Event()
        self._draining = False

    def join(self) -> Client | None:
        """Return a queue for a new client; None: the house is full."""
        if self._draining or len(self._clients) >= self._max_clients:
            return None
        self._empty.clear()
        client = Client(self._queue_size)
        self._clients.add(client)
        metrics.CLIENTS.set(len(self._clients))
        return client

    def leave(self, client: Client) -> None:
        """Forget a client."""
        self._clients.discard(client)
        if not self._clients:
            self._empty.set()
        metrics.CLIENTS.set(len(self._clients))

    def send(self, message: Message) -> None:
        """Offer `message` to every client; never waits."""
        for client in self._clients:
            client.offer(message)

    def wanted(self, channel: str) -> bool:
        """Tell whether any client listens to `channel`."""
        return any(topic.channel == channel for client in self._clients for topic in client.topics)

    def close_all(self, code: Close) -> None:
        """End every stream."""
        for client in self._clients:
            client.close(code)

    async def drain(self, within_s: float = 2.0) -> None:
        """End every stream, take no new one, and wait until the clients are gone."""
        self._draining = True
        self.close_all(Close.DRAIN)
        if self._clients:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._empty.wait()

    async def relay(self, redis: Redis) -> None:
        """Pass on what any replica announces; after a break clients are closed, so that they take new snapshots."""
        backoff = Backoff(0.2, 5.0)
        while not self._draining:  # besides being cancelled: a client library in trouble may swallow that
            try:
                async with redis.pubsub() as pubsub:
                    await pubsub.subscribe(LIVE)
                    backoff.reset()
                    while not self._draining:
                        raw = await pubsub.get_message(ignore_subscribe_messages=True, timeout=_READ_S)
                        if raw:
                            self.send(update(_decode.decode(raw["data"])))
            except (RedisError, OSError) as e:
                log.warning("the announcements broke off: clients begin again", extra={"error": repr(e)})
                self.close_all(Close.RESYNC)
                await asyncio.sleep(backoff.next_s())


def update(announcement: Announcement, kind: str = "update") -> Message:
    """Return the text of an announcement, made once for all clients."""
    envelope = {
        "type": kind,
        "channel": announcement.channel,
        "venue": announcement.venue,
        "symbol": announcement.symbol,
        "data": announcement.data,
    }
    text = msgspec.json.encode(envelope).decode()
    return Message(announcement.channel, announcement.venue, announcement.symbol, announcement.slot, text)
