"""What is done now and then, by every replica: tables are kept short, and the audit's head is said aloud."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from msgspec import Struct

from libs.common.runtime.clock import now_ns
from services.gateway.access import audit, refresh, usage
from services.gateway.idempotency import PostgresLedger
from services.gateway.outages import OUTAGES
from services.gateway.store import alerting
from services.gateway.store.shortening import shorten

log = logging.getLogger(__name__)

HOUR_S: Final = 3600.0


class Chore(Struct, frozen=True):
    """One thing to be done; doing it twice, or by two at once, does no harm."""

    name: str
    work: Callable[[], Awaitable[object]]


def chores(pool: Callable[[], Any], ledger: PostgresLedger, clock: Callable[[], int] = now_ns) -> tuple[Chore, ...]:
    """Return what there is to do for views, keys, alerts and the audit."""

    async def say_head() -> None:
        seq, hash_ = await audit.head(pool())
        log.info("audit", extra={"seq": seq, "head": hash_.hex()})

    async def shorten_audit() -> int:
        async with pool().acquire() as connection, connection.transaction():
            return await audit.prune(connection, clock() - audit.KEPT_NS)

    async def shorten_usage() -> int:
        return await usage.prune(pool(), clock())

    async def shorten_alerts() -> int:
        return await alerting.prune(pool(), clock())

    async def shorten_sessions() -> int:
        return await refresh.prune(pool(), clock())

    async def shorten_views() -> dict[str, int]:
        return await shorten(pool(), clock())

    return (
        Chore("views of long ago", shorten_views),
        Chore("answers for who repeats a request", ledger.prune),
        Chore("use of keys", shorten_usage),
        Chore("sessions that ended", shorten_sessions),
        Chore("rules that are gone, and old deliveries", shorten_alerts),
        Chore("audit", shorten_audit),
        Chore("head of the audit", say_head),
    )


async def keep_up(all_of_them: Sequence[Chore], every_s: float = HOUR_S) -> None:
    """Do every chore now and each hour, until cancelled; one that fails waits for the next time."""
    while True:
        for chore in all_of_them:
            try:
                await chore.work()
            except OUTAGES as e:
                log.warning("a chore waits", extra={"chore": chore.name, "error": repr(e)})
        await asyncio.sleep(every_s)
