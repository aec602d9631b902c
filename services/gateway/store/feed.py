"""The feed: what stream clients must see exactly once and in order, in PostgreSQL.

Positions are given in the transaction that writes the row an item tells of. The row of its channel stays locked until
that commits, so positions become visible in their order and without holes, whichever replica wrote them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

_HOLD: Final = "SELECT FROM gateway.channels WHERE channel = ANY($1::text[]) ORDER BY channel FOR UPDATE"
_ADVANCE: Final = "UPDATE gateway.channels SET position = position + $2 WHERE channel = $1 RETURNING position"
_NUMBER: Final = """
INSERT INTO gateway.sequences AS s (channel, venue, symbol, seq) VALUES ($1, $2, $3, $4)
ON CONFLICT (channel, venue, symbol) DO UPDATE SET seq = s.seq + excluded.seq
RETURNING seq
"""
_ADD: Final = """
INSERT INTO gateway.feed (channel, position, venue, symbol, seq, at_ns, owner, body)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_COLUMNS: Final = "channel, position, venue, symbol, seq, at_ns, owner, body"
_AFTER: Final = f"""
SELECT {_COLUMNS} FROM gateway.feed WHERE channel = $1 AND position > $2 ORDER BY position LIMIT $3
"""  # noqa: S608  (the columns are ours)
_NEWEST: Final = f"""
SELECT {_COLUMNS} FROM gateway.feed
WHERE channel = $1 AND position <= $2 AND ($3::text = '' OR venue = $3) AND ($4::text = '' OR symbol = $4)
  AND (owner IS NULL OR $5::text = ANY(string_to_array(owner, ' ')) OR $5 = '*')
ORDER BY position DESC LIMIT $6
"""  # noqa: S608  (the columns are ours)
_STANDS: Final = "SELECT channel, position, floor FROM gateway.channels ORDER BY channel"
_AT: Final = "SELECT at_ns FROM gateway.feed WHERE channel = $1 AND position = $2"
_PRUNE: Final = """
WITH dropped AS (
    DELETE FROM gateway.feed WHERE channel = $1 AND (at_ns < $2 OR position <= $3) RETURNING position
)
UPDATE gateway.channels SET floor = greatest(floor, (SELECT max(position) FROM dropped))
WHERE channel = $1 AND EXISTS (SELECT FROM dropped)
"""

EVERYONE: Final = "*"
"""Who sees the items of all owners."""

KEPT_NS: Final = 24 * 3600 * 1_000_000_000
KEPT_ITEMS: Final = 10_000
"""How far back a client may resume: whichever is less."""


class Item(Struct, frozen=True, kw_only=True):
    """What is to be said on a channel."""

    venue: str
    symbol: str
    body: bytes
    """The view, as clients get it: JSON."""
    owner: str | None = None
    """Only the clients of these users see it, by their ids with spaces between; None: all."""


class Said(Struct, frozen=True, kw_only=True):
    """What was said, and where it stands."""

    channel: str
    position: int
    """In its channel: without holes, from 1."""
    venue: str
    symbol: str
    seq: int
    """Within channel, venue and symbol: without holes, from 1."""
    at_ns: int
    """Our clock when it was said."""
    owner: str | None = None
    body: bytes


class Stand(Struct, frozen=True):
    """How far a channel is."""

    position: int
    """Of the newest item; 0: nothing was ever said."""
    floor: int
    """Items up to this one are gone."""


async def hold(connection: Any, channels: Sequence[str]) -> None:
    """Keep others from saying anything on `channels` until the caller's transaction ends.

    Who writes rows that are told of takes this first: then two writers of the same rows cannot deadlock.
    """
    await connection.execute(_HOLD, sorted(channels))


async def append(connection: Any, said: Mapping[str, Sequence[Item]], at_ns: int) -> list[Said]:
    """Say items on their channels, in the caller's transaction; by channel in the order they were given."""
    found: list[Said] = []
    for channel in sorted(name for name, items in said.items() if items):  # who locks in one order cannot deadlock
        items = said[channel]
        position = await connection.fetchval(_ADVANCE, channel, len(items)) - len(items)
        counts: dict[tuple[str, str], int] = {}
        for item in items:
            counts[item.venue, item.symbol] = counts.get((item.venue, item.symbol), 0) + 1
        seqs = {
            key: await connection.fetchval(_NUMBER, channel, *key, count) - count
            for key, count in sorted(counts.items())
        }
        for item in items:
            position += 1
            seqs[item.venue, item.symbol] += 1
            found.append(
                Said(
                    channel=channel,
                    position=position,
                    venue=item.venue,
                    symbol=item.symbol,
                    seq=seqs[item.venue, item.symbol],
                    at_ns=at_ns,
                    owner=item.owner,
                    body=item.body,
                )
            )
    if found:
        await connection.executemany(
            _ADD, [(s.channel, s.position, s.venue, s.symbol, s.seq, s.at_ns, s.owner, s.body) for s in found]
        )
    return found


class Feed:
    """Reads the feed."""

    def __init__(self, pool: Callable[[], Any]) -> None:
        self._pool = pool

    async def stands(self) -> dict[str, Stand]:
        """Return how far each channel is."""
        return {row["channel"]: Stand(row["position"], row["floor"]) for row in await self._pool().fetch(_STANDS)}

    async def after(self, channel: str, position: int, limit: int) -> list[Said]:
        """Return the oldest `limit` items after `position`."""
        return [Said(**row) for row in await self._pool().fetch(_AFTER, channel, position, limit)]

    async def newest(
        self, channel: str, position: int, *, venue: str = "", symbol: str = "", reader: str, limit: int
    ) -> list[Said]:
        """Return the newest `limit` items up to `position` that `reader` may see, oldest first."""
        found = await self._pool().fetch(_NEWEST, channel, position, venue, symbol, reader, limit)
        return [Said(**row) for row in reversed(found)]

    async def at_ns(self, channel: str, position: int) -> int | None:
        """Return when the item at `position` was said; None: it is not there."""
        found: int | None = await self._pool().fetchval(_AT, channel, position)
        return found

    async def prune(self, now_ns: int, *, keep_ns: int = KEPT_NS, keep_items: int = KEPT_ITEMS) -> None:
        """Forget what nobody may resume from any more."""
        for channel, stand in (await self.stands()).items():
            async with self._pool().acquire() as connection, connection.transaction():
                # the channel before its items, as `append` does
                await hold(connection, [channel])
                await connection.execute(_PRUNE, channel, now_ns - keep_ns, stand.position - keep_items)
