"""The gateway service: topics in through two folds, HTTP and WebSocket out; the only file that wires side effects."""

import asyncio
import gc
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_bytes
from typing import Any

from libs.common.bus.admin import ensure_topics
from libs.common.bus.kafka import connect, fold
from libs.common.bus.topics import GATEWAY_REJECTS, TOPICS
from libs.common.runtime.errors import ConfigurationError, DependencyDown
from libs.common.runtime.memory import limit_bytes
from libs.common.runtime.migrations import migrate
from libs.common.runtime.process import Process
from services.gateway.access.fetching import Fetcher
from services.gateway.access.front import front
from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring
from services.gateway.access.oidc import Elsewhere
from services.gateway.access.revocation import Revocations
from services.gateway.access.seals import elsewhere_of, seals_of
from services.gateway.access.sign_in import SignIns
from services.gateway.access.usage import Usage
from services.gateway.alerting.announcing import keep_announcing
from services.gateway.board import Board
from services.gateway.cache.cache import AnswerCache
from services.gateway.cache.fast import FastReads
from services.gateway.exporting.exporter import Exporter
from services.gateway.idempotency import PostgresLedger
from services.gateway.limits.gate import LimitGate
from services.gateway.limits.limiter import RedisLimiter
from services.gateway.limits.policy import Policies
from services.gateway.operations.desk import Desk
from services.gateway.outages import OUTAGES
from services.gateway.perimeter.perimeter import Perimeter
from services.gateway.projections.folds import MOST_RECORDS, folds
from services.gateway.projections.live import Live
from services.gateway.readiness import Silence, late
from services.gateway.sealing import Seal
from services.gateway.server import serve
from services.gateway.settings import Settings
from services.gateway.store.cursor import Cursors
from services.gateway.store.latest import Latest
from services.gateway.store.store import Store
from services.gateway.stream.hub import Hub
from services.gateway.stream.opening import Sessions
from services.gateway.surfaces.application import build
from services.gateway.upkeep import chores, keep_up
from services.gateway.vitals import Vitals

log = logging.getLogger(__name__)

_FLUSH_S = 0.1
_YOUNG = 10_000
"""New objects between two looks for cycles: an answer leaves none, and a look each 700 is a twentieth of the time."""
_END_S = 2.0


async def main(process: Process, settings: Settings) -> None:
    """Wire the service to its environment and start it."""
    dsn = settings.postgres_dsn.get_secret_value()
    if not dsn:
        raise ConfigurationError("CSX_POSTGRES_DSN is missing: the gateway keeps its history in PostgreSQL")
    await ensure_topics(settings.kafka_bootstrap, TOPICS)
    await migrate(dsn, "services.gateway.migrations", "gateway")
    store = Store(dsn)
    latest = Latest.at(settings.redis_url.get_secret_value(), stale_after_s=settings.stale_after_s)
    await store.start()
    process.on_stop(store.stop)
    process.on_stop(latest.stop)
    if fault := await latest.fault():
        raise DependencyDown(f"{fault}: nothing answers at CSX_REDIS_URL")
    process.check("postgres", store.fault)
    process.check("redis", latest.fault)

    live = Live(store, latest)
    await live.restore()
    process.on_stop(lambda: live.flush(everything=True))
    bus = connect(settings, "csx-gateway", process)
    for one in folds(store, latest, live):
        fold(
            bus,
            *one.topics,
            group=one.group,
            handler=one.handler,
            rejects=GATEWAY_REJECTS,
            max_records=MOST_RECORDS,
            poll_ms=one.poll_ms,
        )

    board = Board(store, latest, stale_after_s=settings.stale_after_s, cursors=Cursors(settings.secrets))
    hub = Hub(
        max_clients=settings.max_clients,
        queue_size=settings.queue_size,
        per_address=settings.max_connections_per_address,
    )
    limiter = RedisLimiter.at(settings.redis_url.get_secret_value(), replicas=settings.replicas)
    process.on_stop(limiter.stop)
    gate = LimitGate(limiter, Policies(settings.quotas))
    cache = AnswerCache(settings.cache_mib * 1024 * 1024)
    process.on_stop(cache.stop)
    process.memory.on_pressure(cache.clear)
    process.check("lag", late(bus.consumers, settings.lag_s))
    if settings.feed != "recorded":  # a recording ends
        process.check("feeds", Silence(latest).fault)
    access = _access(process, settings, store, latest, gate)
    sessions = Sessions(
        hub,
        board,
        access.guard,
        store,
        latest,
        cursors=Cursors(settings.secrets),
        heartbeat_s=settings.heartbeat_s,
        stale_after_s=settings.stale_after_s,
    )
    desk = Desk(
        store=store,
        latest=latest,
        board=board,
        faults=process.health.faults,
        stale_after_s=settings.stale_after_s,
        sessions=sessions,
        exporter=Exporter(lambda: store.pool),
        chats=frozenset(settings.chats),
        gate=gate,
        ledger=access.ledger,
        usage=access.usage,
        sign_ins=access.sign_ins,
        elsewhere=access.elsewhere,
        cache=cache,
        vitals=Vitals(
            folds=bus.consumers,
            limiter=limiter,
            cache=cache,
            limit_bytes=limit_bytes(settings.memory_limit_mib),
        ),
    )
    app = build(desk, guard=access.guard, sessions=sessions, public_url=settings.url, mcp_writes=settings.mcp_writes)
    beside = [
        process.spawn(_flush(live), name="book flush"),
        *(process.spawn(work, name=name) for name, work in sessions.works().items()),
    ]
    process.on_stop(lambda: _end(beside))
    await bus.start()
    announcer = process.spawn(keep_announcing(store.pool, bus.publisher.publish), name="rules to their topic")
    process.on_stop(lambda: _end([announcer]))
    perimeter = Perimeter(FastReads(app, access.guard), settings.rules)
    stop = await serve(perimeter, settings.host, settings.port, process, tls=settings.tls)
    process.on_stop(stop)
    process.on_stop(hub.drain)
    gc.collect()
    gc.freeze()  # what lives as long as the process is looked at no more: a sixth of a busy one's time
    gc.set_threshold(_YOUNG, 10, 10)
    if settings.anonymous:
        log.warning("reading without a key is on: the sandbox market, this machine only")


@dataclass(frozen=True)
class _Access:
    guard: Guard
    ledger: PostgresLedger
    usage: Usage
    sign_ins: SignIns
    elsewhere: Elsewhere | None


def _access(process: Process, settings: Settings, store: Store, latest: Latest, gate: LimitGate) -> _Access:
    """Make what knows who may come in, and run what keeps credentials and their tables in order."""
    keyring = Keyring(store, bootstrap=settings.bootstrap_key.get_secret_value())
    guard = Guard(keyring, anonymous=settings.anonymous, door=gate)
    secrets = settings.secrets or (token_bytes(32),)  # a local one without any: good until it ends
    revocations, usage = Revocations(latest.redis, guard), Usage(lambda: store.pool)
    ledger = PostgresLedger(lambda: store.pool, seal=Seal(secrets), tell=revocations.tell)
    process.on_stop(usage.flush)
    tasks = [
        process.spawn(revocations.listen(), name="revocations"),
        process.spawn(usage.keep_flushing(), name="use of keys"),
        process.spawn(keep_up(chores(lambda: store.pool, ledger)), name="upkeep"),
    ]
    process.on_stop(lambda: _end(tasks))
    elsewhere = _elsewhere(process, settings, secrets)
    sign_ins = front(
        seals_of(settings, secrets),
        pool=lambda: store.pool,
        redis=latest.redis,
        keyring=keyring,
        guard=guard,
        tell=revocations.tell,
        tries=gate,
        elsewhere=elsewhere is not None,
    )
    return _Access(guard, ledger, usage, sign_ins, elsewhere)


def _elsewhere(process: Process, settings: Settings, secrets: Sequence[bytes]) -> Elsewhere | None:
    if not settings.oidc_issuer:
        return None
    fetcher = Fetcher(loopback=settings.environment == "local")
    process.on_stop(fetcher.stop)
    return elsewhere_of(settings, secrets, fetcher)


async def _end(tasks: list["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_END_S)


async def _flush(live: Live) -> None:
    while True:
        await asyncio.sleep(_FLUSH_S)
        try:
            await live.flush()
        except OUTAGES as e:
            log.warning("books could not be written", extra={"error": repr(e)})
