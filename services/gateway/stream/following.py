"""The feed in PostgreSQL to the tails of this process, without holes: hints make it quick, looking makes it sure."""

import asyncio
import logging
from typing import Final

from libs.common.runtime.clock import monotonic_s, now_ns
from services.gateway.outages import OUTAGES
from services.gateway.store.cursor import Cursors
from services.gateway.store.feed import Feed, Said
from services.gateway.stream.closing import Close
from services.gateway.stream.cursors import Spot, write
from services.gateway.stream.envelope import Kept, kept
from services.gateway.stream.hub import Hub
from services.gateway.stream.tail import SIZE

log = logging.getLogger(__name__)

_LOOK_S: Final = 1.0
_PAGE: Final = 500
_PRUNE_S: Final = 60.0


class Follower:
    """Keeps the tails."""

    def __init__(self, feed: Feed, hub: Hub, cursors: Cursors) -> None:
        self._feed = feed
        self._hub = hub
        self._cursors = cursors
        self._look = asyncio.Event()
        self._lock = asyncio.Lock()
        self._pruned_s = monotonic_s()

    def made(self, said: Said, *, snapshot: bool = False) -> Kept:
        """Return an item of the feed as clients get it."""
        word = write(self._cursors, {said.channel: Spot(said.position, said.at_ns)})
        return kept(said, word, snapshot=snapshot)

    def hint(self, said: Said) -> None:
        """Take an item that a replica says it added; what lies before it and is not here is read."""
        tail = self._hub.tails.get(said.channel)
        if tail is None or said.position <= tail.head:
            return
        if not self._lock.locked() and self._take(said):
            return
        self._look.set()

    async def catch_up(self) -> None:
        """Read what is new in every channel."""
        async with self._lock:
            for channel, stand in (await self._feed.stands()).items():
                tail = self._hub.tails.get(channel)
                if tail is None:
                    continue
                if tail.known and stand.position < tail.head:
                    log.error("the feed is shorter than it was: another database", extra={"channel": channel})
                    self._hub.close_all(Close.RESYNC)
                    tail.known = False
                if not tail.known:
                    tail.begin(max(stand.floor, stand.position - SIZE))
                while tail.head < stand.position:
                    page = await self._feed.after(channel, tail.head, _PAGE)
                    for said in page:
                        if not self._take(said):
                            tail.begin(said.position - 1)  # what we were to read was forgotten meanwhile
                            self._take(said)
                    if not page:
                        break

    async def run(self) -> None:
        """Follow until cancelled."""
        while not self._hub.draining:
            self._look.clear()
            try:
                await self.catch_up()
                if monotonic_s() - self._pruned_s > _PRUNE_S:
                    self._pruned_s = monotonic_s()
                    await self._feed.prune(now_ns())
            except OUTAGES as e:
                log.warning("the feed could not be read", extra={"error": repr(e)})
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._look.wait()
            except TimeoutError:
                continue

    def _take(self, said: Said) -> bool:
        item = self.made(said)
        if not self._hub.tails[said.channel].add(item):
            return False
        self._hub.tell(item)
        return True
