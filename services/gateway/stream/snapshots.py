"""A subscription's topic to its snapshot: what is newest, with the count of what was announced up to it."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from libs.common.runtime.clock import now_ns
from services.gateway.board import Board
from services.gateway.schemas.announcements import Announcement, Counted, count_of
from services.gateway.schemas.markets import Book, Price, Reading
from services.gateway.schemas.times import age_s
from services.gateway.store.latest import Latest
from services.gateway.store.store import Store
from services.gateway.stream.announcing import announcement, book_told, price_told, reading_told
from services.gateway.stream.channels import CHANNELS
from services.gateway.stream.envelope import Message, message, numbered
from services.gateway.stream.index import Topic


class Snapshots:
    """Reads what is newest."""

    def __init__(
        self,
        board: Board,
        store: Store,
        latest: Latest,
        *,
        stale_after_s: float = 15.0,
        clock: Callable[[], int] = now_ns,
    ) -> None:
        self._board = board
        self._store = store
        self._latest = latest
        self._stale_after_s = stale_after_s
        self._clock = clock
        self._health = 0

    async def of(self, topic: Topic) -> list[Message]:
        """Return the views that `topic` wants, as they are now; empty where the first update brings them."""
        if topic.channel == "health":
            return [await self.health(snapshot=True)]
        if not CHANNELS[topic.channel].snapshot:
            return []
        venues = [topic.venue]
        if topic.channel == "readings" and not topic.venue:
            venues = [row.venue for row in await self._store.markets(topic.symbol)]
        now = self._clock()
        found: list[Message] = []
        for venue in venues:
            shown = await self._latest.counted(topic.channel, venue, topic.symbol)
            found.extend(
                message(numbered(one, shown.counts.get(count_of(one.channel, one.venue, one.symbol), 0)), snapshot=True)
                for one in self._told(topic.channel, shown, now)
                if topic.wants(one.venue, one.symbol)
            )
        return found

    async def health(self, *, snapshot: bool = False) -> Message:
        """Return how the feeds are; counted by this process alone."""
        view = await self._board.health()
        told = announcement("health", ("", ""), view, event_ns=view.as_of_ns, at_ns=view.as_of_ns)
        self._health += 1
        return message(numbered(told, self._health), snapshot=snapshot)

    def _told(self, channel: str, shown: Counted, now: int) -> list[Announcement]:
        read, tell = _SHOWN[channel]
        found = []
        for view in map(read, shown.views):
            age = age_s(view.seen_ns, now)
            found.append(tell(msgspec.structs.replace(view, age_s=age, stale=age > self._stale_after_s)))
        return found


_SHOWN: Final[dict[str, tuple[Any, Any]]] = {
    "price": (msgspec.json.Decoder(Price).decode, price_told),
    "book": (msgspec.json.Decoder(Book).decode, book_told),
    "readings": (msgspec.json.Decoder(Reading).decode, reading_told),
}
"""How a kept view is read, and told."""
