"""The alerts service: judged signals in, messages to people out.

This file alone wires the pure policy to Kafka, PostgreSQL and the channels.
"""

import asyncio
import logging
from collections.abc import Sequence

import asyncpg

from libs.common.bus import topics
from libs.common.bus.admin import ensure_topics
from libs.common.bus.kafka import connect
from libs.common.events import Event
from libs.common.runtime.clock import now_ns
from libs.common.runtime.errors import ConfigurationError, DependencyDown
from libs.common.runtime.migrations import migrate
from libs.common.runtime.process import Process
from services.alerts import channels, upkeep
from services.alerts.bot import running
from services.alerts.dispatcher import Dispatcher
from services.alerts.feeds import Feeds
from services.alerts.heartbeat import Heartbeat, Moving
from services.alerts.intake import Intake
from services.alerts.rules import Rules
from services.alerts.settings import Settings
from services.alerts.store.outbox import STORE_ERRORS, Outbox
from services.alerts.watching import reach
from services.alerts.watching.watchers import Watchers

log = logging.getLogger(__name__)


async def build(process: Process, settings: Settings) -> None:
    """Wire the service and start it; returns when it serves."""
    dsn = settings.postgres_dsn.get_secret_value()
    if not dsn:
        raise ConfigurationError("CSX_POSTGRES_DSN is missing: alerts are kept in PostgreSQL")
    await migrate(dsn, "services.alerts.migrations", "alerts")
    await ensure_topics(
        settings.kafka_bootstrap,
        (topics.VERDICTS, topics.RULES, topics.DELIVERIES, topics.ALERTS_REJECTS, *reach.REACHES),
    )
    try:
        pool = await asyncpg.create_pool(dsn, min_size=1, max_size=8, command_timeout=10)
    except STORE_ERRORS as e:
        raise DependencyDown(f"PostgreSQL does not answer: {e}") from e
    process.on_stop(pool.close)
    outbox = Outbox(
        pool,
        channels.paces(settings),
        limits=channels.limits(settings),
        owners=[("telegram", owner) for owner in settings.owners],
        second_of=settings.second_of(),
    )
    ways = channels.opened(settings)
    for way in ways.values():
        await way.start()
        process.on_stop(way.stop)
    dispatcher = Dispatcher(
        outbox, ways, lease_s=settings.lease_s, senders=settings.senders, keyboards=running.buttons(settings)
    )
    bus = connect(settings, "alerts", process)
    rules = Rules(pool, settings.default_rules())
    intake = Intake(bus, outbox, rules, dispatcher, Feeds(pool), public_url=settings.public_url)
    watchers = Watchers(bus, pool, outbox, rules, dispatcher, intake.rules_read, settings)

    async def publish(events: Sequence[Event]) -> None:
        await bus.publisher.publish(events)

    async def last_words() -> None:
        intake.stop()
        await watchers.stop()
        await dispatcher.stop()
        announcer.cancel()
        await asyncio.gather(announcer, return_exceptions=True)
        await outbox.announce(publish)

    async def store_fault() -> str | None:
        await outbox.waiting(now_ns())
        return None

    async def channel_fault() -> str | None:
        faults = [fault for way in ways.values() if (fault := await way.fault())]
        return "; ".join(faults) or (None if ways else "no channel is configured")

    process.check("store", store_fault)
    process.check("channels", channel_fault)
    process.on_stop(dispatcher.stop)
    process.spawn(dispatcher.run(), name="dispatcher")  # what is queued goes out, whether or not the broker answers
    process.spawn(upkeep.keep(outbox, keep_days=settings.keep_days), name="upkeep")
    process.spawn(upkeep.follow(outbox, dispatcher.nudge), name="follow")
    process.spawn(upkeep.digest(outbox, dispatcher.nudge), name="digest")
    if url := settings.heartbeat_url.get_secret_value():
        alive = Moving(lambda: dispatcher.rounds, lambda: pool.fetchval("SELECT 1"))
        process.spawn(Heartbeat(url, alive, every_s=settings.heartbeat_s).run(), name="heartbeat")
    if running.wanted(settings):
        await running.begin(process, settings, pool, outbox, dispatcher.nudge)
    await bus.start()
    announcer = process.spawn(upkeep.announce(outbox, publish), name="announcer")
    process.spawn(intake.await_rules(), name="await rules")
    watchers.start(process)
    process.on_stop(last_words)
