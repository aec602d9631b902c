"""What runs beside the sender: deliveries published, signals followed, digests written, the queue kept and measured."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from libs.common.events import DAY_NS, Event
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.clock import monotonic_s, now_ns
from libs.common.runtime.errors import DependencyDown
from services.alerts import metrics
from services.alerts.store.outbox import STORE_ERRORS, Outbox

log = logging.getLogger(__name__)

_ANNOUNCE_EVERY_S: Final = 0.1
_FOLLOW_EVERY_S: Final = 0.5
_DIGEST_EVERY_S: Final = 1.0
_MEASURE_EVERY_S: Final = 5.0
_PURGE_EVERY_S: Final = 3600.0

Publish = Callable[[Sequence[Event]], Awaitable[None]]


async def announce(outbox: Outbox, publish: Publish) -> None:
    """Publish deliveries for ever; an outage of the broker or the store only delays them."""
    backoff = Backoff(0.2, 5.0)
    while True:
        try:
            published = await outbox.announce(publish)
            backoff.reset()
        except (*STORE_ERRORS, DependencyDown) as e:
            metrics.STORE_FAULTS.labels("announce").inc()
            log.warning("deliveries are not published yet: %s", e)
            await asyncio.sleep(backoff.next_s())
            continue
        if not published:
            await asyncio.sleep(_ANNOUNCE_EVERY_S)


async def follow(outbox: Outbox, nudge: Callable[[], None]) -> None:
    """Bring the messages about signals up to where those stand, for ever."""
    backoff = Backoff(0.2, 5.0)
    while True:
        try:
            if await outbox.step(now_ns()):
                nudge()
            backoff.reset()
        except STORE_ERRORS as e:
            metrics.STORE_FAULTS.labels("follow").inc()
            log.warning("signals are not followed yet: %s", e)
            await asyncio.sleep(backoff.next_s())
            continue
        await asyncio.sleep(_FOLLOW_EVERY_S)


async def digest(outbox: Outbox, nudge: Callable[[], None]) -> None:
    """Write the digests that are due, and what waits too long for a second channel, for ever."""
    backoff = Backoff(0.2, 5.0)
    while True:
        try:
            if await outbox.digest(now_ns()) + await outbox.repeat_elsewhere(now_ns()):
                nudge()
            backoff.reset()
        except STORE_ERRORS as e:
            metrics.STORE_FAULTS.labels("digest").inc()
            log.warning("digests are not written yet: %s", e)
            await asyncio.sleep(backoff.next_s())
            continue
        await asyncio.sleep(_DIGEST_EVERY_S)


async def keep(outbox: Outbox, *, keep_days: int) -> None:
    """Measure the queue every few seconds, and forget what is older than `keep_days` every hour, for ever."""
    purged_s: float | None = None
    shown: set[tuple[str, str]] = set()
    while True:
        try:
            queues = await outbox.queues(now_ns())
            for key in shown | queues.keys():
                waiting, oldest_s = queues.get(key, (0, 0.0))
                metrics.WAITING.labels(*key).set(waiting)
                metrics.OLDEST_SECONDS.labels(*key).set(oldest_s)
            shown |= queues.keys()
            if purged_s is None or monotonic_s() - purged_s > _PURGE_EVERY_S:
                forgotten = await outbox.purge(now_ns() - keep_days * DAY_NS)
                purged_s = monotonic_s()
                log.info("forgot old alerts", extra={"count": forgotten})
        except STORE_ERRORS as e:
            metrics.STORE_FAULTS.labels("upkeep").inc()
            log.warning("the outbox does not answer: %s", e)
        await asyncio.sleep(_MEASURE_EVERY_S)
