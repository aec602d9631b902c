"""Which clients want a message: at most four look-ups, however many clients there are. Pure."""

from collections.abc import Collection
from typing import Generic, TypeVar

from msgspec import Struct

C = TypeVar("C")


class Topic(Struct, frozen=True):
    """What one subscription wants; an empty venue or symbol means any."""

    channel: str
    symbol: str = ""
    venue: str = ""

    def wants(self, venue: str, symbol: str) -> bool:
        """Tell whether what is of that market belongs to it."""
        return (not self.symbol or symbol == self.symbol) and (not self.venue or venue == self.venue)


class Index(Generic[C]):
    """Clients by what they want."""

    def __init__(self) -> None:
        self._wanting: dict[tuple[str, str, str], set[C]] = {}
        self._channels: dict[str, int] = {}

    def add(self, topic: Topic, client: C) -> None:
        """Remember that `client` wants `topic`."""
        clients = self._wanting.setdefault((topic.channel, topic.venue, topic.symbol), set())
        if client not in clients:
            clients.add(client)
            self._channels[topic.channel] = self._channels.get(topic.channel, 0) + 1

    def remove(self, topic: Topic, client: C) -> None:
        """Forget that `client` wants `topic`."""
        key = topic.channel, topic.venue, topic.symbol
        clients = self._wanting.get(key)
        if clients is None or client not in clients:
            return
        clients.discard(client)
        self._channels[topic.channel] -= 1
        if not clients:
            del self._wanting[key]

    def find(self, channel: str, venue: str, symbol: str) -> Collection[C]:
        """Return who wants what is said on `channel` of a market, each once."""
        get = self._wanting.get
        keys = {(channel, venue, symbol), (channel, "", symbol), (channel, venue, ""), (channel, "", "")}
        found = [clients for key in keys if (clients := get(key))]
        if len(found) == 1:
            return tuple(found[0])
        return set().union(*found)

    def wanted(self, channel: str) -> bool:
        """Tell whether anybody listens to `channel`."""
        return self._channels.get(channel, 0) > 0

    def topics(self) -> set[Topic]:
        """Return everything that anybody wants."""
        return {Topic(channel, symbol, venue) for channel, venue, symbol in self._wanting}
