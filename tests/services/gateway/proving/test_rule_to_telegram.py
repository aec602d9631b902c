"""A rule by POST, and an alert at the strict fake Telegram: both services as processes, as they are run."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from deploy.local.broker.launch import EmbeddedBroker
from deploy.local.children import free_port
from deploy.local.sandbox.telegram import FakeTelegram
from libs.common.bus.admin import ensure_topics
from libs.common.bus.publisher import Publisher
from libs.common.bus.topics import TOPICS
from libs.common.events import (
    AlertRule,
    Decision,
    Direction,
    Label,
    Origin,
    Signal,
    Timeframe,
    Verdict,
)
from libs.common.runtime.clock import now_ns
from libs.common.runtime.migrations import migrate
from services.gateway.access.keys import mint
from services.gateway.store import alerting
from services.gateway.store.store import Store

TOKEN = "7000000001:sandbox"
WITHIN_S = 60


@pytest.fixture
def own_broker(tmp_path):
    """A broker of this test alone: its groups begin empty."""
    server = EmbeddedBroker()
    yield server.start(tmp_path, free_port())
    server.stop()


@asynccontextmanager
async def running(log, module, **settings):
    """`python -m module`, ended in order."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CSX_")}
    environment = kept | {f"CSX_{name}": value for name, value in settings.items()}
    with log.open("wb") as out:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, env=environment, stdout=out, stderr=out
        )
    try:
        yield child
        child.terminate()
        async with asyncio.timeout(20):
            assert await child.wait() == 0, log.read_text()
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()


async def until(ask, fits):
    async with asyncio.timeout(WITHIN_S):
        while True:
            try:
                answer = await ask()
                if fits(answer):
                    return answer
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)


def judged(signal_id, score):
    at_ns = now_ns()
    market: dict[str, Any] = {"venue": "okx", "symbol": "BTC-USDT-PERP", "origin": Origin.SIMULATED}
    signal = Signal(
        **market,
        signal_id=signal_id,
        timeframe=Timeframe.H1,
        as_of_ns=at_ns,
        known_at_ns=at_ns,
        direction=Direction.LONG,
        label=Label.BUY,
        score=score,
        confidence=0.7,
        price=100.0,
        contributions=(),
    )
    return Verdict(
        **market, signal=signal, decision=Decision.PUBLISH, rationale="", judge="rules", decided_ns=at_ns
    )  # fmt: skip


async def test_a_rule_by_post_becomes_an_alert_on_telegram(fresh_dsn, fresh_redis_url, own_broker, tmp_path):
    await ensure_topics(own_broker, TOPICS)
    await migrate(fresh_dsn, "services.gateway.migrations", "gateway")
    key, store = mint("e2e", ["read", "read:alerts", "write:alerts"]), Store(fresh_dsn)
    await store.start()
    await store.add_key(key.row)
    fake, publisher, port = FakeTelegram(TOKEN, lambda _line: None), Publisher(own_broker, "test"), free_port()
    await fake.start()
    await publisher.start()
    shared = {"KAFKA_BOOTSTRAP": own_broker, "POSTGRES_DSN": fresh_dsn}
    gateway = running(
        tmp_path / "gateway.log", "services.gateway", **shared, REDIS_URL=fresh_redis_url,
        GATEWAY_PORT=str(port), GATEWAY_CHATS="1001",
    )  # fmt: skip
    alerts = running(
        tmp_path / "alerts.log", "services.alerts", **shared, ALERTS_TELEGRAM_TOKEN=TOKEN,
        ALERTS_TELEGRAM_URL=fake.url, ALERTS_CHATS="", ALERTS_PER_H="0", ALERTS_UPDATES="off",
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {key.text}"}
    try:
        async with (
            gateway as child,
            alerts,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as http,
        ):

            async def alive():
                assert child.returncode is None, (tmp_path / "gateway.log").read_text()
                return await http.get("/livez")

            await until(alive, lambda answer: answer.status_code == 200)
            wish = {"recipient": "1001", "condition": "abs_score >= 0.6"}
            refused = await http.post("/v1/alerts/rules", json=wish)
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "recipient")
            added = await http.post("/v1/alerts/recipients", json={"recipient": "1001"})
            assert (added.status_code, added.json()["approved"]) == (201, True)
            wrong = await http.post("/v1/alerts/rules", json={**wish, "condition": "abs_score >= "})
            assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_body")
            assert wrong.json()["errors"][0]["message"].startswith("column 13: something is missing after >=")
            twice = [
                await http.post("/v1/alerts/rules", json=wish, headers={"Idempotency-Key": "one"}) for _ in range(2)
            ]
            assert [answer.status_code for answer in twice] == [201, 201]
            rule_id = twice[0].json()["rule_id"]
            assert twice[1].json()["rule_id"] == rule_id

            await until(lambda: http.get(f"/v1/alerts/rules/{rule_id}"), lambda a: a.json().get("state") == "published")
            known = "SELECT count(*) FROM alerts.rules WHERE rule_id = $1 AND NOT deleted"
            await until(lambda: store.pool.fetchval(known, rule_id), bool)
            await publisher.publish([judged("weak", 0.5), judged("strong", 0.7)])

            async def accepted():
                return list(fake.bot.accepted)

            (message,) = await until(accepted, bool)
            assert (message.chat_id, message.text.split("Signal ")[1]) == (1001, "strong")
            sent = await until(lambda: http.get("/v1/alerts/deliveries?state=delivered"), lambda a: a.json()["data"])
            (told,) = sent.json()["data"]
            assert (told["signal_id"], told["recipient"], told["state"]) == ("strong", "1001", "delivered")

            # a rule that another version of the gateway let through: alerts refuses it, and its owner reads why
            async with store.pool.acquire() as connection:
                old = AlertRule(rule_id="rule_old", recipient="1001", condition="no_such_name > 1")
                await alerting.say(connection, "local", old)
            rejected = await until(
                lambda: http.get("/v1/alerts/rules/rule_old"), lambda a: a.json()["state"] == "rejected"
            )
            assert rejected.json()["fault"].startswith("column 1: there is no metric no_such_name")

            assert (await http.delete(f"/v1/alerts/rules/{rule_id}")).status_code == 204
            assert (await http.get(f"/v1/alerts/rules/{rule_id}")).status_code == 404
            gone = "SELECT count(*) FROM alerts.rules WHERE rule_id = $1 AND deleted"
            await until(lambda: store.pool.fetchval(gone, rule_id), bool)
            await publisher.publish([judged("after", 0.9)])
            acts = [row["action"] for row in await store.pool.fetch("SELECT action FROM gateway.audit ORDER BY seq")]
            assert acts == ["alerts.recipients.create", "alerts.rules.create", "alerts.rules.delete"]
        assert len(fake.bot.accepted) == 1
    finally:
        await publisher.stop()
        await fake.stop()
        await store.stop()
