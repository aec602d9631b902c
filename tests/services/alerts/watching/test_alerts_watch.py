"""From events on the topics to messages: rules about markets, through kills, restarts and outages of the store."""

import signal
from typing import Any

import asyncpg
import httpx
import pytest
from msgspec.structs import replace

from deploy.local.children import free_port
from libs.common.bus import topics
from libs.common.events import (
    SECOND_NS,
    AlertRule,
    Barrier,
    FeedQuality,
    Grade,
    LayerReading,
    Liquidation,
    Origin,
    Outcome,
    PositionSide,
    Reject,
    Severity,
    Timeframe,
)
from libs.common.runtime.clock import now_ns
from services.alerts import metrics
from tests.services.alerts.test_alerts_service import (  # noqa: F401  # fixtures of the whole service
    arrived,
    broker,
    environment,
    inside,
    publisher,
    read,
    running,
    until,
)

STORM = 'cap_group == "majors" and storm'
ENDS = "liq_usd_30s < 1000000"


@pytest.fixture(autouse=True)
def _quiet(environment):  # noqa: F811  # the service's own
    """No rules but those of the test."""
    environment["CSX_ALERTS_CHATS"] = ""


def forced(usd: float, at_ns: int | None = None, **changes: Any) -> Liquidation:
    at_ns = now_ns() if at_ns is None else at_ns
    fields = {"venue": "okx", "symbol": "BTC-USDT-PERP", "origin": Origin.SIMULATED, **changes}
    return Liquidation(event_ns=at_ns, received_ns=at_ns, price=1.0, size=usd, liquidated=PositionSide.LONG, **fields)


def rule(rule_id: str = "storm", **changes: Any) -> AlertRule:
    fields = {"kind": "liquidation", "condition": STORM, "until": ENDS, "recipient": "1001"}
    return AlertRule(rule_id=rule_id, **{**fields, **changes})


def storm(begin_ns: int, usd: float = 1e6) -> list[Liquidation]:
    return [forced(usd, begin_ns + number * SECOND_NS) for number in range(3)]


async def listens(dsn: str) -> asyncpg.Connection:
    """Wait until every partition has its stored place: what comes from now on is told."""
    connection = await asyncpg.connect(dsn)

    async def placed() -> bool:
        try:
            return bool(await connection.fetchval("SELECT count(*) >= 97 FROM alerts.offsets"))
        except asyncpg.UndefinedTableError:
            return False

    await until(placed)
    return connection


async def test_a_storm_is_one_message_and_the_next_one_another(publisher, environment, fake, monkeypatch):  # noqa: F811
    await publisher.publish([rule()])
    async with inside(environment, monkeypatch):
        store = await listens(environment["CSX_POSTGRES_DSN"])
        at_ns = now_ns()
        await publisher.publish([*storm(at_ns - 60 * SECOND_NS), *storm(at_ns - 58 * SECOND_NS, 1.5e6)])
        await until(arrived(fake, 1))
        await publisher.publish([forced(10.0, at_ns - 20 * SECOND_NS), *storm(at_ns - 10 * SECOND_NS)])
        await until(arrived(fake, 2))
        states = await store.fetch("SELECT rule_id, key, phase FROM alerts.triggers")

        async def kept():
            return await store.fetchrow("SELECT * FROM alerts.facts WHERE kind = 'liquidation'")

        facts = await until(kept)
        await store.close()
    assert [tuple(row) for row in states] == [("storm", "liquidation|okx|BTC-USDT-PERP", "firing")]
    assert (facts["venue"], facts["symbol"], facts["origin"]) == ("okx", "BTC-USDT-PERP", "simulated")
    assert '"cap_group":"majors"' in facts["facts"].replace(" ", "")
    first = fake.bot.accepted[0]
    assert first.chat_id == 1001
    assert first.text.split("\n")[:3] == [
        "SIMULATED: invented prices",
        "LIQUIDATION STORM: BTC-USDT-PERP, okx",
        "Liquidated in 30 s: 3 million USD",
    ]


async def test_a_kill_in_the_middle_of_a_storm_tells_nothing_twice(publisher, environment, fake):  # noqa: F811
    await publisher.publish([rule()])
    begin_ns = now_ns() - 20 * SECOND_NS
    async with running(environment) as first:
        store = await listens(environment["CSX_POSTGRES_DSN"])
        await publisher.publish(storm(begin_ns))

        async def delivered():
            return await store.fetchval("SELECT count(*) FROM alerts.outbox WHERE state = 'delivered'")

        await until(delivered)  # killed earlier it would be repeated, and marked as such
        await first.end(signal.SIGKILL)
    await publisher.publish(storm(begin_ns + 5 * SECOND_NS, 2e6))  # the storm goes on while nobody listens
    async with running(environment) as second:
        await publisher.publish(storm(begin_ns + 10 * SECOND_NS, 2e6))
        other = [forced(3e6, begin_ns + number * SECOND_NS, symbol="ETH-USDT-PERP") for number in range(3)]
        await publisher.publish(other)
        await until(arrived(fake, 2))
        assert await second.end(signal.SIGTERM) == 0
    await store.close()
    assert [message.text.split("\n")[1].split(" ")[2] for message in fake.bot.accepted] == [
        "BTC-USDT-PERP,",
        "ETH-USDT-PERP,",
    ]


async def test_two_processes_share_the_markets_and_one_goes_on_alone(publisher, environment, fake):  # noqa: F811
    await publisher.publish([rule()])
    symbols = [f"{coin}-USDT-PERP" for coin in ("BTC", "ETH", "SOL")]
    begin_ns, ports = now_ns() - 30 * SECOND_NS, [free_port(), free_port()]
    first, second = (environment | {"CSX_HEALTH_PORT": str(port)} for port in ports)

    async def owned() -> list[float]:
        try:
            return [await watched_partitions(port) for port in ports]
        except httpx.HTTPError:
            return [0.0]

    async def shared() -> bool:
        counts = await owned()
        return 0.0 not in counts and sum(counts) == 12.0

    async with running(first) as dies, running(second):
        store = await listens(environment["CSX_POSTGRES_DSN"])
        await until(shared)
        await publisher.publish([replace(one, symbol=symbol) for symbol in symbols for one in storm(begin_ns)])

        async def delivered():
            return await store.fetchval("SELECT count(*) = 3 FROM alerts.outbox WHERE state = 'delivered'")

        await until(delivered)
        await dies.end(signal.SIGKILL)
        later = storm(begin_ns + 5 * SECOND_NS, 2e6)
        await publisher.publish([replace(one, symbol=symbol) for symbol in symbols for one in later])
        await publisher.publish([replace(one, venue="bybit", symbol=symbol) for symbol in symbols for one in later])
        await until(arrived(fake, 6))
        assert await store.fetchval("SELECT count(*) FROM alerts.outbox") == 6
        await store.close()
    titles = [message.text.split("\n")[1].removeprefix("LIQUIDATION STORM: ") for message in fake.bot.accepted]
    assert sorted(titles) == sorted(f"{symbol}, {venue}" for symbol in symbols for venue in ("okx", "bybit"))


async def watched_partitions(port: int) -> float:
    """Return how many partitions of the liquidations a process has."""
    async with httpx.AsyncClient(trust_env=False) as client:
        text = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    mine = 'csx_bus_lag_records{group="alerts.watch"'
    return float(sum(line.startswith(mine) and topics.LIQUIDATIONS.name in line for line in text.splitlines()))


async def test_what_came_while_nobody_listened_is_told_and_what_was_before_is_not(
    publisher,  # noqa: F811
    environment,  # noqa: F811
    fake,
    monkeypatch,
):
    await publisher.publish([rule()])
    await publisher.publish(storm(now_ns() - 40 * SECOND_NS))  # before anybody ever listened
    async with inside(environment, monkeypatch):
        await (await listens(environment["CSX_POSTGRES_DSN"])).close()
    await publisher.publish(storm(now_ns() - 20 * SECOND_NS, 2e6))
    async with inside(environment, monkeypatch):
        await until(arrived(fake, 1))
    (only,) = fake.bot.accepted
    assert "Liquidated in 30 s: 5 million USD" in only.text  # the first of the second storm, beside all of the first


async def test_a_rule_with_a_wait_fires_when_it_lasted(publisher, environment, fake, monkeypatch):  # noqa: F811
    down = rule("down", kind="feed", condition='grade == "f"', until="", for_s=30, severity=Severity.CRITICAL)
    unknown = rule("unknown", kind="feed", condition="coverage_min < 0.5", until="")
    await publisher.publish([down, unknown])
    async with inside(environment, monkeypatch):
        await (await listens(environment["CSX_POSTGRES_DSN"])).close()
        begin_ns = now_ns() - 100 * SECOND_NS
        for venue, until_s in (("okx", 40), ("bybit", 20)):
            for at_s in range(0, until_s + 1, 10):
                await publisher.publish([quality(venue, begin_ns + at_s * SECOND_NS)])
        await until(arrived(fake, 1))
        await publisher.publish([quality("okx", begin_ns + 50 * SECOND_NS)])
        await publisher.publish([quality("kraken", begin_ns + at_s * SECOND_NS) for at_s in (0, 31)])
        await until(arrived(fake, 2))
    assert all(message.text.endswith("Rule down") for message in fake.bot.accepted)
    assert sorted(message.text.split("\n")[1] for message in fake.bot.accepted) == ["FEED: kraken", "FEED: okx"]


def quality(venue: str, at_ns: int) -> FeedQuality:
    return FeedQuality(
        venue=venue,
        event_ns=at_ns,
        origin=Origin.SIMULATED,
        grade=Grade.F,
        causes=(),
        window_s=60.0,
        streams=(),
        symbols=1,
        connections=0,
        connections_wanted=1,
        clock_offset_s=None,
        clock_bound_s=None,
        clock_cause="never asked",
        bars_audited=0,
        bars_different=0,
        rest_budget_used=0.0,
        rest_pace=1.0,
        rest_venue_weight=None,
        rest_paused_s=0.0,
        rest_in_flight=0,
        rest_waiting=0,
    )


async def test_rules_that_cannot_be_asked_are_parked_with_the_reason(
    broker,  # noqa: F811
    publisher,  # noqa: F811
    environment,  # noqa: F811
    fake,
    monkeypatch,
):
    bad = [
        rule("kind", kind="weather"),
        rule("none", condition=""),
        rule("other", condition="score > 0.5"),
        rule("until", until="storm and"),
        rule("wait", for_s=-1),
    ]
    await publisher.publish([*bad, rule("good")])
    async with inside(environment, monkeypatch):
        await (await listens(environment["CSX_POSTGRES_DSN"])).close()
        await publisher.publish(storm(now_ns() - 10 * SECOND_NS))
        await until(arrived(fake, 1))
        rejects = await read(broker, topics.ALERTS_REJECTS, len(bad))
    words = sorted(one.detail.partition(":")[0] for one in rejects if isinstance(one, Reject))
    assert words == ["column 1", "condition", "for_s", "kind", "until"]
    assert len(fake.bot.accepted) == 1


def faults() -> float:
    """Return how often the store failed: at a batch, or at the states that are read right after the places."""
    return sum(float(metrics.STORE_FAULTS.labels(step)._value.get()) for step in ("watch", "offsets"))


async def test_an_outage_of_the_store_is_waited_out_with_nothing_lost(
    publisher,  # noqa: F811
    environment,  # noqa: F811
    fake,
    monkeypatch,
):
    await publisher.publish([rule()])
    async with inside(environment, monkeypatch):
        store = await listens(environment["CSX_POSTGRES_DSN"])
        before = faults()
        await store.execute("ALTER TABLE alerts.triggers RENAME TO away")
        await publisher.publish(storm(now_ns() - 10 * SECOND_NS))

        async def noticed():
            return faults() > before

        await until(noticed)
        await store.execute("ALTER TABLE alerts.away RENAME TO triggers")
        await until(arrived(fake, 1))
        assert await store.fetchval("SELECT count(*) FROM alerts.triggers") == 1
        await store.close()


async def test_readings_and_outcomes_become_rows_and_outcomes_are_told(publisher, environment, fake, monkeypatch):  # noqa: F811
    await publisher.publish([rule("stops", kind="outcome", condition='barrier == "stop"', until="")])
    market: dict[str, Any] = {
        "venue": "okx",
        "symbol": "BTC-USDT-PERP",
        "origin": Origin.SIMULATED,
        "timeframe": Timeframe.H1,
    }
    async with inside(environment, monkeypatch):
        store = await listens(environment["CSX_POSTGRES_DSN"])
        reading = LayerReading(**market, layer="smc", as_of_ns=now_ns(), score=0.5, confidence=1.0)
        ended = {
            name: Outcome(
                **market, signal_id=name, resolved_ns=now_ns(), barrier=barrier, r_multiple=-1.0, mfe=0.0, mae=-1.0
            )
            for name, barrier in (("s1", Barrier.STOP), ("s2", Barrier.TARGET))
        }
        await publisher.publish([reading, *ended.values()])
        await until(arrived(fake, 1))

        async def kept():
            return await store.fetchval(
                "SELECT (SELECT count(*) FROM alerts.readings) = 1 AND (SELECT count(*) FROM alerts.outcomes) = 2"
            )

        await until(kept)
        assert await store.fetchval("SELECT count(*) FROM alerts.triggers") == 0
        await store.close()
    (only,) = fake.bot.accepted
    assert only.text.split("\n")[1:3] == ["STOPPED OUT: BTC-USDT-PERP, okx", "Barrier: stop"]
