"""A subscription from its beginning: acknowledgement, then what came before, then live, without a seam."""

from typing import Final

from services.gateway.problems import Problem
from services.gateway.store.cursor import Cursors
from services.gateway.store.feed import Feed
from services.gateway.stream.channels import CHANNELS
from services.gateway.stream.client import Client
from services.gateway.stream.closing import Close
from services.gateway.stream.cursors import Spot, write
from services.gateway.stream.following import Follower
from services.gateway.stream.hub import Hub
from services.gateway.stream.index import Topic
from services.gateway.stream.snapshots import Snapshots
from services.gateway.stream.words import ResyncRequired, told

_NEWEST: Final = 20
_PAGE: Final = 500


class TooOld(Exception):
    """What follows the cursor is no longer kept, or was never said here."""

    def __init__(self, channel: str, cursor: str) -> None:
        super().__init__(channel)
        self.channel = channel
        self.cursor = cursor
        """The newest one: after a new snapshot the client goes on from here."""


class Joining:
    """Lets clients join channels. One at a time for each client; nothing else is sent to it meanwhile."""

    def __init__(self, hub: Hub, feed: Feed, follower: Follower, snapshots: Snapshots, cursors: Cursors) -> None:
        self._hub = hub
        self._feed = feed
        self._follower = follower
        self._snapshots = snapshots
        self._cursors = cursors

    async def view(self, client: Client, topic: Topic) -> None:
        """Send the snapshot of a channel that conflates; what comes meanwhile waits, and what it shows is dropped."""
        self._hub.listen(client, topic)
        try:
            messages = await self._snapshots.of(topic)
        except BaseException:  # cancelled or failed alike: half a subscription is none
            self._hub.ignore(client, topic)
            raise
        for message in messages:
            await client.present(message)

    async def newest(self, client: Client, topic: Topic) -> None:
        """Send the newest messages of a kept channel as a snapshot, and follow it from there."""
        head = self.head(topic.channel).position
        found = await self._feed.newest(
            topic.channel, head, venue=topic.venue, symbol=topic.symbol, reader=client.reader, limit=_NEWEST
        )
        for said in found:
            await client.put(client.payload(self._follower.made(said, snapshot=True)), topic.channel)
        await self._follow(client, topic, head)

    async def live(self, client: Client, topic: Topic) -> None:
        """Follow a kept channel from now on."""
        await self._follow(client, topic, self.head(topic.channel).position)

    async def resume(self, client: Client, topic: Topic, spot: Spot) -> None:
        """Send what follows `spot`, and follow the channel.

        Raises:
            TooOld: it is not there any more, or was never said here.
        """
        stand = (await self._feed.stands())[topic.channel]
        good = stand.floor <= spot.position <= stand.position
        if good and spot.position > stand.floor and spot.at_ns:
            good = await self._feed.at_ns(topic.channel, spot.position) == spot.at_ns
        if not good:
            raise self._too_old(topic.channel)
        await self._follow(client, topic, spot.position)

    def head(self, channel: str) -> Spot:
        """Return the newest spot of a kept channel.

        Raises:
            Problem: it is not known yet.
        """
        tail = self._hub.tails[channel]
        if not tail.known:
            raise Problem("dependency_down", "the feed was not read yet; try again")
        return Spot(tail.head, tail.at_ns(tail.head) or 0)

    def cursor(self, channel: str, position: int) -> str:
        """Return the word for a position."""
        return write(self._cursors, {channel: Spot(position, self._hub.tails[channel].at_ns(position) or 0)})

    def cursors(self, client: Client) -> dict[str, str]:
        """Return where a client is in each kept channel that it listens to."""
        channels = {topic.channel for topic in client.topics if CHANNELS[topic.channel].kept}
        return {
            channel: self.cursor(channel, mark)
            for channel in sorted(channels)
            if (mark := client.mark(channel)) is not None
        }

    async def _follow(self, client: Client, topic: Topic, position: int) -> None:
        """Send what `topic` wants after `position` until the tail holds the rest, then attach: no await between.

        Where the client listens to the channel already, everything up to its mark is sent here for `topic` alone, and
        what is newer reaches it once for all its topics.
        """
        channel = topic.channel
        others = await client.settle(channel)
        while client.closing is None:
            if others is not None:
                others = client.mark(channel)
            items = self._hub.tails[channel].since(position)
            end = position >= others if others is not None else items is not None and len(items) <= _PAGE
            if end:
                self._hub.listen(client, topic)
                client.attach(topic, position if others is None else others)
                return
            if items is None:
                items = [self._follower.made(said) for said in await self._feed.after(channel, position, _PAGE)]
                if not items or items[0].position != position + 1:
                    raise self._too_old(channel)
            for item in items[:_PAGE]:
                if others is not None and item.position > others:
                    break
                position = item.position
                if topic.wants(item.venue, item.symbol) and item.seen_by(client.reader):
                    await client.put(client.payload(item), channel)

    def _too_old(self, channel: str) -> TooOld:
        return TooOld(channel, self.cursor(channel, self._hub.tails[channel].head))


def resync(client: Client, fault: TooOld) -> None:
    """End a stream whose cursor leads nowhere: it begins again with snapshots."""
    client.say(told(ResyncRequired(channel=fault.channel, cursor=fault.cursor)))
    client.close(Close.RESYNC)
