"""Words on rules that wait in PostgreSQL in; the same on the topic out, in their order, one process at a time."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import msgspec

from libs.common.events import AlertRule, Event
from libs.common.runtime.errors import DependencyDown
from services.gateway.alerting import metrics
from services.gateway.outages import OUTAGES
from services.gateway.store import alerting

log = logging.getLogger(__name__)

_LOCK: Final = 0x637378_67772072
_AT_ONCE: Final = 100
_EVERY_S: Final = 0.2

_PASSING: Final[tuple[type[Exception], ...]] = (DependencyDown, *OUTAGES)

Publish = Callable[[Sequence[Event]], Awaitable[None]]


async def announce(pool: Any, publish: Publish) -> int:
    """Publish what waits, oldest first; return how many.

    At least once: a death between the broker's answer and our commit publishes the same words again.
    """
    if not await alerting.wait(pool):
        return 0
    async with pool.acquire() as connection, connection.transaction():
        if not await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", _LOCK):
            return 0
        words = await alerting.waiting(connection, _AT_ONCE)
        if words:
            await publish([msgspec.json.decode(event, type=AlertRule) for _, event in words])
            await alerting.said(connection, [seq for seq, _ in words])
    metrics.ANNOUNCED.inc(len(words))
    return len(words)


async def keep_announcing(pool: Any, publish: Publish, every_s: float = _EVERY_S) -> None:
    """Publish words as they come, until cancelled; what fails waits and is tried again."""
    while True:
        try:
            found = await announce(pool, publish)
        except _PASSING as e:
            metrics.ANNOUNCING_FAILED.inc()
            log.warning("words on rules wait", extra={"error": repr(e)})
            found = 0
        if found < _AT_ONCE:
            await asyncio.sleep(every_s)
