"""Our own processes: one of us asks, rules about them fire, and another takes over."""

import asyncio

import pytest

from libs.common.events import SECOND_NS, AlertRule
from libs.common.runtime.clock import now_ns
from libs.common.runtime.health import Health
from libs.common.runtime.process import UP
from services.alerts.dispatcher import Dispatcher
from services.alerts.rules import Rules
from services.alerts.watching.health import SystemWatch

DOWN = AlertRule(rule_id="down", recipient="1", kind="system", condition="not up", for_s=60)
AWAY = "http://127.0.0.1:1/metrics"


@pytest.fixture
async def url():
    UP.labels("signals").set(1)
    health = Health("signals")
    await health.start("127.0.0.1", 0)
    yield f"http://127.0.0.1:{health.port}/metrics"
    await health.stop()


@pytest.fixture
def make_watch(pool, outbox):
    def make(urls: dict[str, str], every_s: float = 15.0) -> SystemWatch:
        return SystemWatch(
            pool, outbox, Rules(pool, [DOWN]), Dispatcher(outbox, {}, lease_s=5, senders=1), urls, every_s=every_s
        )

    return make


async def test_a_process_that_does_not_answer_for_a_minute_is_told_once(pool, url, make_watch):
    watch, again = make_watch({"signals": url, "gateway": AWAY}), make_watch({"signals": url, "gateway": AWAY})
    begin_ns = now_ns() - 80 * SECOND_NS
    for number, at_s in enumerate((0, 15, 30, 45, 60, 75)):
        await (again if number % 2 else watch).round(begin_ns + at_s * SECOND_NS)  # whoever asks, the story goes on
    rows = await pool.fetch("SELECT kind, symbol, headline FROM alerts.outbox")
    assert [tuple(row) for row in rows] == [("system", "gateway", "SYSTEM gateway: it answers: no")]
    states = await pool.fetch("SELECT key, phase FROM alerts.triggers")
    assert [tuple(row) for row in states] == [("system|gateway", "firing")]
    facts = await pool.fetch("SELECT symbol, facts->>'up' AS up FROM alerts.facts ORDER BY symbol")
    assert [tuple(row) for row in facts] == [("gateway", "false"), ("signals", "true")]


async def test_one_asks_for_all_and_another_takes_over(pool, url, make_watch):
    async def last() -> int:
        return await pool.fetchval("SELECT coalesce(max(at_ns), 0) FROM alerts.facts") or 0

    async def holders() -> int:
        ours = "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        return int(
            await pool.fetchval(f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND {ours}")
        )

    async def others() -> int:
        return await pool.fetchval("SELECT count(*) FROM alerts.facts WHERE symbol = 'other'") or 0

    first = asyncio.create_task(make_watch({"signals": url}, 0.05).run())
    async with asyncio.timeout(10):
        while not await last():  # noqa: ASYNC110  (the fact is in the store)
            await asyncio.sleep(0.02)
    second = asyncio.create_task(make_watch({"other": url}, 0.05).run())
    for _ in range(10):
        await asyncio.sleep(0.02)
        assert await holders() == 1
    assert await others() == 0
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    async with asyncio.timeout(10):
        while not await others():  # noqa: ASYNC110  (as above)
            await asyncio.sleep(0.02)
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    assert await holders() == 0
