"""Finding 13: readiness looks at everything a request needs, and names what is missing."""

from dataclasses import dataclass

import pytest

from deploy.local.children import free_port
from libs.common.bus.kafka import connect
from libs.common.events import FeedQuality, Grade, Origin
from libs.common.runtime.health import Health
from services.gateway.readiness import Silence, late
from services.gateway.schemas.provenance import KeptQuality
from services.gateway.schemas.system import Feed
from services.gateway.settings import Settings
from services.gateway.store.latest import Latest, Views
from services.gateway.store.store import Store

SECOND = 1_000_000_000
NOON = 1_723_118_400 * SECOND


@dataclass
class Clocks:
    now: int = NOON

    def ns(self) -> int:
        return self.now

    def s(self) -> float:
        return self.now / SECOND


@dataclass
class Fold:
    group: str
    behind_s: float

    async def lag_s(self) -> float:
        return self.behind_s


def feed(venue: str, seen_ns: int, stream: str = "trades") -> Feed:
    return Feed(
        venue=venue,
        symbol="BTC-USDT-PERP",
        stream=stream,
        origin=Origin.LIVE,
        event_ns=seen_ns,
        event_time="",
        seen_ns=seen_ns,
        events=1,
    )


def quality(venue: str, grade: Grade) -> KeptQuality:
    report = FeedQuality(
        venue=venue,
        event_ns=NOON,
        grade=grade,
        causes=(),
        window_s=60.0,
        streams=(),
        symbols=1,
        connections=1,
        connections_wanted=1,
        clock_offset_s=None,
        clock_bound_s=None,
        clock_cause="not asked",
        bars_audited=0,
        bars_different=0,
        rest_budget_used=0.0,
        rest_pace=1.0,
        rest_venue_weight=None,
        rest_paused_s=0.0,
        rest_in_flight=0,
        rest_waiting=0,
    )
    return KeptQuality(report=report, seen_ns=NOON)


def views(*feeds: Feed, grades: dict[str, Grade] | None = None) -> Views:
    return Views(
        feeds={(one.venue, one.symbol, one.stream): one for one in feeds},
        quality={venue: quality(venue, grade) for venue, grade in (grades or {}).items()},
    )


@pytest.fixture
async def latest(fresh_redis_url):
    latest = Latest.at(fresh_redis_url)
    yield latest
    await latest.stop()


async def test_f13_readyz_names_each_missing_dependency():
    clocks, gone = Clocks(), f"127.0.0.1:{free_port()}"
    store = Store(f"postgresql://nobody:nothing@{gone}/none")
    redis = Latest.at(f"redis://{gone}/0")
    bus = connect(Settings(kafka_bootstrap=gone), "csx-test")
    silence = Silence(redis, clock=clocks.ns, monotonic=clocks.s)
    lag = late([Fold("gateway.history", 45.0), Fold("gateway.live", 1.0)], 30.0, monotonic=clocks.s)
    clocks.now += 61 * SECOND
    health = Health("gateway")
    for name, check in (
        ("postgres", store.fault),
        ("redis", redis.fault),
        ("bus", bus.fault),
        ("feeds", silence.fault),
        ("lag", lag),
    ):
        health.add(name, check)
    faults = await health.faults()
    assert sorted(faults) == ["bus", "feeds", "lag", "postgres", "redis"]
    assert faults["lag"] == "gateway.history is 45 s behind"
    assert faults["feeds"] == "feeds cannot be read: ConnectionError"
    assert faults["redis"].startswith("Redis: ")
    await redis.stop()
    await bus.stop()


async def test_f13_nothing_is_late_or_silent_in_the_first_minute(latest):
    clocks = Clocks()
    silence = Silence(latest, clock=clocks.ns, monotonic=clocks.s)
    lag = late([Fold("gateway.history", 45.0)], 30.0, monotonic=clocks.s)
    clocks.now += 59 * SECOND
    assert await silence.fault() is None
    assert await lag() is None
    clocks.now += 2 * SECOND
    assert await silence.fault() == "no venue was heard yet"
    assert await lag() == "gateway.history is 45 s behind"


@pytest.mark.parametrize(
    ("feeds", "grades", "fault"),
    [
        ([feed("okx", NOON - 5 * SECOND)], {}, None),
        ([feed("okx", NOON - 61 * SECOND)], {}, "no venue is heard: okx is silent for 61 s"),
        ([feed("okx", NOON - 61 * SECOND), feed("okx", NOON, "books")], {}, None),
        (
            [feed("okx", NOON - 61 * SECOND), feed("okx", NOON, "readings")],
            {},
            "no venue is heard: okx is silent for 61 s",
        ),
        ([feed("okx", NOON - 99 * SECOND), feed("bybit-linear", NOON)], {}, None),
        ([feed("okx", NOON)], {"okx": Grade.D}, None),
        (
            [feed("okx", NOON), feed("bybit-linear", NOON - 70 * SECOND)],
            {"okx": Grade.F, "bybit-linear": Grade.A},
            "no venue is heard: bybit-linear is silent for 70 s; okx is graded f",
        ),
        ([feed("okx", NOON), feed("bybit-linear", NOON)], {"okx": Grade.F}, None),
        ([], {"coinglass": Grade.A}, "no venue was heard yet"),
    ],
)
async def test_f13_one_dead_venue_takes_no_gateway_out_but_all_of_them_do(latest, feeds, grades, fault):
    clocks = Clocks(NOON - 120 * SECOND)
    silence = Silence(latest, clock=clocks.ns, monotonic=clocks.s)
    clocks.now = NOON
    await latest.write(views(*feeds, grades=grades))
    assert await silence.fault() == fault


async def test_f13_feeds_are_looked_up_once_a_second(latest):
    clocks = Clocks(NOON - 120 * SECOND)
    silence = Silence(latest, clock=clocks.ns, monotonic=clocks.s)
    clocks.now = NOON
    assert await silence.fault() == "no venue was heard yet"
    await latest.write(views(feed("okx", NOON)))
    assert await silence.fault() == "no venue was heard yet"
    clocks.now += SECOND
    assert await silence.fault() is None
