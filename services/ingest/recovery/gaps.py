"""Interruptions and resumptions in, Gap events out: the ledger of holes that are still open."""

from collections.abc import Callable

import msgspec

from libs.common.events import Gap, Origin
from services.ingest import metrics
from services.ingest.delivery.buffer import Buffer


class Gaps:
    """One venue's open holes; `noticed` and `closed` publish each once."""

    def __init__(
        self, venue: str, origin: Origin, buffer: Buffer, *, heard: Callable[[Gap], None] | None = None
    ) -> None:
        """`heard` takes each Gap that is published."""
        self._heard = heard
        self._venue = venue
        self._origin = origin
        self._buffer = buffer
        self._open: dict[tuple[str, str], Gap] = {}

    def is_open(self, symbol: str, stream: str) -> bool:
        """Return whether a hole of `stream` waits for its end."""
        return (symbol, stream) in self._open

    async def noticed(
        self,
        symbol: str,
        stream: str,
        *,
        cause: str,
        from_ns: int,
        now_ns: int,
        first_missing: str | None = None,
        last_missing: str | None = None,
    ) -> None:
        """Publish that `stream` of `symbol` has a hole since `from_ns`; a hole that is open stays the same hole."""
        gap = Gap(
            venue=self._venue,
            symbol=symbol,
            event_ns=now_ns,
            received_ns=now_ns,
            origin=self._origin,
            stream=stream,
            from_ns=from_ns,
            to_ns=from_ns,
            cause=cause,
            first_missing=first_missing,
            last_missing=last_missing,
        )
        await self.adopt(gap)

    async def adopt(self, gap: Gap) -> None:
        """Publish a hole, or its end, that somebody else noticed; an open one is kept until its end."""
        key = (gap.symbol, gap.stream)
        if gap.recovered:
            self._open.pop(key, None)
            metrics.GAPS_CLOSED.labels(self._venue, gap.stream, "true").inc()
        elif key in self._open:
            return
        else:
            if gap.to_ns == gap.from_ns:
                self._open[key] = gap
            metrics.GAPS.labels(self._venue, gap.stream, gap.cause).inc()
        await self._say(gap)

    async def closed(self, symbol: str, stream: str, *, to_ns: int, now_ns: int, recovered: bool) -> None:
        """Publish the end of an open hole; `recovered` says that what was missing has been published."""
        gap = self._open.pop((symbol, stream), None)
        if gap is None:
            return
        metrics.GAPS_CLOSED.labels(self._venue, stream, str(recovered).lower()).inc()
        until_ns = max(to_ns, gap.from_ns + 1)  # equal bounds would say that it is still open
        await self._say(
            msgspec.structs.replace(gap, event_ns=now_ns, received_ns=now_ns, to_ns=until_ns, recovered=recovered)
        )

    async def forget(self, symbol: str, *, now_ns: int) -> None:
        """Publish that nobody fills the open holes of `symbol` any more: it is not listened to."""
        for stream in [stream for one, stream in self._open if one == symbol]:
            await self.closed(symbol, stream, to_ns=now_ns, now_ns=now_ns, recovered=False)

    async def lost(self, symbol: str, stream: str, *, to_ns: int, now_ns: int) -> None:
        """Publish that an open hole could not be filled (cause `backfill`), with the bounds that are known."""
        gap = self._open.get((symbol, stream))
        if gap is not None:
            self._open[symbol, stream] = msgspec.structs.replace(gap, cause="backfill")
        await self.closed(symbol, stream, to_ns=to_ns, now_ns=now_ns, recovered=False)

    async def _say(self, gap: Gap) -> None:
        if self._heard is not None:
            self._heard(gap)
        await self._buffer.put(gap)
