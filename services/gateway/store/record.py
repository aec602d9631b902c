"""What was said and what became of it, out of PostgreSQL: newest signals, verdicts, outcomes, and all markets' rows."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from libs.common.events import Barrier, Decision, Origin, Timeframe
from services.gateway.schemas.signals import StoredSignal
from services.gateway.store import record_statements as sql
from services.gateway.store import rows
from services.gateway.store.flows import Span

_Row: TypeAlias = tuple[Any, ...]


class Which(Struct, frozen=True, kw_only=True):
    """Which of them; an absent field means any."""

    symbol: str | None = None
    venue: str | None = None
    timeframe: Timeframe | None = None
    origin: Origin | None = None


class Record:
    """Reads of signals, verdicts and outcomes; what writes them is elsewhere."""

    def __init__(self, pool: Callable[[], Any]) -> None:
        self._pool = pool

    async def latest(
        self, which: Which, *, after: tuple[str, str, str] | None = None, limit: int
    ) -> list[StoredSignal]:
        """Return the newest signal of each market and timeframe, in their order, after (symbol, venue, timeframe)."""
        timeframes = [which.timeframe] if which.timeframe else list(Timeframe)
        place = after or (None, None, None)
        found = await self._pool().fetch(
            sql.LATEST, [str(one) for one in timeframes], which.symbol, which.venue, *place, limit
        )
        return [rows.to_signal(row) for row in found]

    async def proof(self, signal_id: str) -> Any:
        """Return a signal's row with topic_partition, topic_offset and content_hash, or None."""
        return await self._pool().fetchrow(sql.PROOF, signal_id)

    async def verdicts(
        self, which: Which, span: Span, *, decision: Decision | None = None, after: _Row | None = None
    ) -> list[Any]:
        """Return rows of verdicts, newest first; `after` is decided_ns, signal_id."""
        wanted = (span.from_ns, span.to_ns, which.symbol, which.venue, which.timeframe, decision)
        rows_: list[Any] = await self._pool().fetch(sql.VERDICTS, *wanted, *(after or (None, None)), span.limit)
        return rows_

    async def outcomes(
        self, which: Which, span: Span, *, barrier: Barrier | None = None, after: _Row | None = None
    ) -> list[Any]:
        """Return rows of outcomes, newest first; `after` is resolved_ns, signal_id."""
        wanted = (*_wanted(which, span), barrier)
        rows_: list[Any] = await self._pool().fetch(sql.OUTCOMES, *wanted, *(after or (None, None)), span.limit)
        return rows_

    async def any_outcome(self) -> bool:
        """Tell whether any outcome was ever published."""
        return bool(await self._pool().fetchval(sql.OUTCOMES_AT_ALL))

    async def tallies(self, which: Which, span: Span) -> tuple[Sequence[Any], Sequence[Any]]:
        """Return rows of outcomes and of signals, each counted by timeframe."""
        wanted = _wanted(which, span)
        return await self._pool().fetch(sql.TALLIES, *wanted), await self._pool().fetch(sql.SAID, *wanted)

    async def screen(self, timeframe: Timeframe, venue: str | None) -> list[Any]:
        """Return a row of each market: its newest signal of `timeframe`, funding, mark and open interest."""
        rows_: list[Any] = await self._pool().fetch(sql.SCREEN, timeframe, venue)
        return rows_


def _wanted(which: Which, span: Span) -> _Row:
    return span.from_ns, span.to_ns, which.symbol, which.venue, which.timeframe, which.origin
