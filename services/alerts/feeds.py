"""What was last said of each venue's feed, out; read from PostgreSQL at most once a second."""

from collections.abc import Mapping
from typing import Final

import asyncpg
import msgspec

from libs.common.conditions.subjects import Fact, Kind
from libs.common.events import SECOND_NS, Origin
from services.alerts.policy.quality import Feed

_REMEMBER_NS: Final = SECOND_NS
_NEWEST: Final = "SELECT venue, at_ns, origin, facts FROM alerts.facts WHERE kind = $1"


class Feeds:
    """The newest facts of all feeds, for whoever writes messages."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        self._pool = pool
        self._read_ns: int | None = None
        self._known: dict[str, Feed] = {}

    async def now(self, now_ns: int) -> Mapping[str, Feed]:
        """Return them by venue, as of `now_ns` or up to a second before."""
        if self._read_ns is None or not 0 <= now_ns - self._read_ns < _REMEMBER_NS:
            rows = await self._pool.fetch(_NEWEST, Kind.FEED.value)
            self._known = {row["venue"]: _feed(row) for row in rows}
            self._read_ns = now_ns
        return self._known


def _feed(row: asyncpg.Record) -> Feed:
    facts = msgspec.json.decode(row["facts"], type=dict[str, Fact])
    return Feed(at_ns=row["at_ns"], origin=Origin(row["origin"]), facts=facts)
