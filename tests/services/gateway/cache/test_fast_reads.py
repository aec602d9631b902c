"""Reads that were asked before: the same answer by the short way, and nothing forgotten on it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring
from services.gateway.access.keys import mint
from services.gateway.cache.cache import AnswerCache
from services.gateway.cache.fast import FastReads
from services.gateway.limits.gate import LimitGate
from services.gateway.limits.limiter import RedisLimiter
from services.gateway.limits.policy import Policies, Quotas
from services.gateway.perimeter.perimeter import Perimeter
from services.gateway.settings import Settings
from services.gateway.surfaces.application import build

TICKER = "/v1/markets/BTC-USDT-PERP/ticker"
SAME = ("content-type", "cache-control", "content-security-policy", "ratelimit-policy", "content-length")


@dataclass
class Counted:
    """The application behind the short way, and how often it was asked."""

    app: Any
    asked: int = 0

    async def __call__(self, scope, receive, send):
        self.asked += 1
        await self.app(scope, receive, send)


@dataclass
class Site:
    http: httpx.AsyncClient
    behind: Counted
    guard: Guard
    key: str
    poor: str

    async def get(self, path: str = TICKER, key: str = "", **headers: str) -> httpx.Response:
        return await self.http.get(path, headers={"Authorization": f"Bearer {key or self.key}"} | headers)


@pytest.fixture
async def site(gateway, make, fresh_redis_url) -> AsyncIterator[Site]:
    await gateway.fold(make.trade(), make.snapshot())
    limiter = RedisLimiter.at(fresh_redis_url, answer_s=20.0)
    gate = LimitGate(
        limiter, Policies(Quotas(per_second=10_000, per_minute=30_000, per_day=1_000, address_known=60_000))
    )
    rich, poor = mint("rich"), mint("poor", ("read:signals",))
    for made in (rich, poor):
        await gateway.store.add_key(made.row)
    guard = Guard(Keyring(gateway.store), door=gate)
    desk = gateway.desk
    desk.gate, desk.cache = gate, AnswerCache(1 << 20)
    behind = Counted(build(desk, guard=guard, sessions=desk.sessions))
    app = Perimeter(FastReads(behind, guard), Settings().rules)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
        yield Site(http, behind, guard, rich.text, poor.text)
    await limiter.stop()


async def test_each_read_is_counted_once_by_either_way(site):
    found = [(await site.get()).headers["ratelimit"] for _ in range(4)]
    assert site.behind.asked == 1
    assert [one.rpartition(";")[0] for one in found] == [f'"day";r={n}' for n in (999, 998, 997, 996)]


async def test_each_read_is_counted_once_at_the_door_by_either_way(site):
    gate: Any = site.guard._door
    gate._policies = Policies(Quotas(per_second=10_000, per_minute=30_000, address_known=4))
    answers = [await site.get() for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 200, 429]
    assert answers[4].headers["ratelimit"].startswith('"address";r=0;')
    assert site.behind.asked == 1


async def test_what_has_not_changed_is_said_so(site):
    first = await site.get()
    second = await site.get(TICKER, **{"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.content, site.behind.asked) == (304, b"", 1)
    assert second.headers["etag"] == first.headers["etag"]


async def test_a_revoked_key_is_forgotten_at_once(site, gateway):
    await site.get()
    assert (await site.get()).status_code == 200
    assert site.behind.asked == 1
    await gateway.store.pool.execute("UPDATE gateway.api_keys SET revoked_ns = 1 WHERE name = 'rich'")
    site.guard.forget(site.key.split("_")[2])
    assert (await site.get()).status_code == 401


async def test_who_is_not_known_takes_the_long_way(site):
    await site.get()
    assert (await site.http.get(TICKER)).status_code == 401
    assert (await site.http.get(TICKER, headers={"Authorization": "Bearer nonsense"})).status_code == 401
    assert (await site.http.get(TICKER, headers={"X-Api-Key": site.key})).status_code == 200
    assert site.behind.asked == 4


async def test_a_key_without_the_scope_is_refused_by_either_way(site):
    await site.get()
    for _ in range(2):
        assert (await site.get(TICKER, site.poor)).status_code == 403
    assert site.behind.asked == 3


async def test_other_words_are_another_read(site):
    await site.get(f"{TICKER}?venue=okx")
    assert (await site.get(f"{TICKER}?venue=okx")).status_code == 200
    assert site.behind.asked == 1
    assert (await site.get(f"{TICKER}?venue=nowhere")).status_code == 404
    assert (await site.get(f"{TICKER}?venue=okx&x=1")).status_code == 400
    assert (await site.http.head(TICKER, headers={"Authorization": f"Bearer {site.key}"})).content == b""
    assert site.behind.asked == 4


async def test_a_failure_by_the_short_way_is_a_problem_too(site, gateway):
    path = f"{TICKER}?venue=okx"
    await site.get(path)
    gateway.desk.cache.clear()
    await gateway.store.pool.execute("TRUNCATE gateway.markets")
    answer = await site.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert site.behind.asked == 1
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_what_is_beyond_the_limit_is_refused_by_the_short_way(site, gateway):
    await site.get()
    gate: Any = site.guard._door
    gate._policies = Policies(Quotas(per_second=10_000, per_minute=100, address_known=60_000))
    found = [(await site.get()).status_code for _ in range(130)]
    assert found.count(429) >= 20
    assert site.behind.asked == 1
