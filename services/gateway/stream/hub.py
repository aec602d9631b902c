"""Messages to the clients of this process that want them; each is found by at most four look-ups."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Final

from services.gateway import metrics
from services.gateway.stream.channels import KEPT
from services.gateway.stream.client import Client, Line
from services.gateway.stream.closing import Close, reconnect_after_ms
from services.gateway.stream.envelope import Kept, Message
from services.gateway.stream.index import Index, Topic
from services.gateway.stream.tail import Tail
from services.gateway.stream.words import Closing, told

PER_ADDRESS: Final = 20
_AT_ONCE: Final = 20


class Hub:
    """All stream clients of this process."""

    def __init__(self, *, max_clients: int = 1000, queue_size: int = 1000, per_address: int = PER_ADDRESS) -> None:
        self._max_clients = max_clients
        self._queue_size = queue_size
        self._per_address = per_address
        self._clients: dict[Client, str] = {}
        self._addresses: dict[str, int] = {}
        self._index: Index[Client] = Index()
        self._empty = asyncio.Event()
        self._draining = False
        self.tails = {channel: Tail() for channel in KEPT}
        """The newest messages of each kept channel."""
        self.epoch = ""
        """Of the counts in Redis; empty: not known yet."""

    @property
    def draining(self) -> bool:
        """True when this process is about to end."""
        return self._draining

    @property
    def clients(self) -> Iterator[Client]:
        """All of them, as they are now."""
        return iter(tuple(self._clients))

    def refusal(self, address: str) -> Close | None:
        """Return why one more client from `address` cannot come in."""
        if self._draining:
            return Close.DRAIN
        if len(self._clients) >= self._max_clients:
            return Close.FULL
        return Close.RATE if address and self._addresses.get(address, 0) >= self._per_address else None

    def join(self, line: Line, address: str) -> Client:
        """Return a new client on `line`."""
        client = Client(line, self.tails, self._queue_size)
        self._empty.clear()
        self._clients[client] = address
        self._addresses[address] = self._addresses.get(address, 0) + 1
        metrics.CLIENTS.set(len(self._clients))
        return client

    def leave(self, client: Client) -> None:
        """Forget a client."""
        address = self._clients.pop(client, None)
        if address is None:
            return
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]
        for topic in client.topics:
            self._index.remove(topic, client)
        if not self._clients:
            self._empty.set()
        metrics.CLIENTS.set(len(self._clients))

    def listen(self, client: Client, topic: Topic) -> None:
        """Let a client have what belongs to `topic` from now on."""
        client.topics.add(topic)
        if client in self._clients:
            self._index.add(topic, client)

    def ignore(self, client: Client, topic: Topic) -> bool:
        """Let a client have it no more; False: it had not."""
        self._index.remove(topic, client)
        return client.detach(topic)

    def send(self, message: Message) -> None:
        """Offer a message of a channel that conflates to whom it may concern; never waits."""
        made: dict[int | None, bytes] = {}
        for client in self._index.find(*message.market):
            client.offer(message, made)

    async def spread(self, message: Message) -> None:
        """Do as `send` does, a few clients at a time: what must not wait comes between."""
        made: dict[int | None, bytes] = {}
        clients = tuple(self._index.find(*message.market))
        for begin in range(0, len(clients), _AT_ONCE):
            if begin:
                await asyncio.sleep(0)
            for client in clients[begin : begin + _AT_ONCE]:
                if not begin or client.wants(*message.market):
                    client.offer(message, made)

    def tell(self, item: Kept) -> None:
        """Tell a message of a kept channel, which is in its tail, to whom it may concern; never waits."""
        payload = item.whole if item.owner is None else None
        for client in self._index.find(item.channel, item.venue, item.symbol):
            client.told(item, payload)

    def begin_epoch(self, epoch: str) -> None:
        """Count anew: what was counted before is lost."""
        self.epoch = epoch
        for client in self._clients:
            client.forget()

    def wanted(self, channel: str) -> bool:
        """Tell whether any client listens to `channel`."""
        return self._index.wanted(channel)

    def topics(self) -> set[Topic]:
        """Return everything that any client wants."""
        return self._index.topics()

    def show(self, topic: Topic, messages: list[Message]) -> None:
        """Give whoever wants `topic` a new snapshot of it."""
        for client in tuple(self._clients):
            if topic in client.topics:
                for message in messages:
                    client.offer(message)

    def close_all(self, code: Close) -> None:
        """End every stream."""
        for client in tuple(self._clients):
            client.close(code)

    async def drain(self, within_s: float = 2.0) -> None:
        """End every stream, take no new one, and wait until the clients are gone."""
        self._draining = True
        for client in tuple(self._clients):
            goodbye = Closing(code=Close.DRAIN, reason="drain", reconnect_after_ms=reconnect_after_ms())
            client.say(told(goodbye))
            client.close(Close.DRAIN)
        if self._clients:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(within_s):
                    await self._empty.wait()
