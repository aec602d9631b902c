"""Finding 6: no operation is without a limit, by whichever surface, and a refusal says when to come again."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring
from services.gateway.access.keys import mint
from services.gateway.access.scopes import GRANTABLE, Scope
from services.gateway.limits.gate import LimitGate
from services.gateway.limits.limiter import RedisLimiter
from services.gateway.limits.policy import Policies, Quotas
from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.operation import Surface
from services.gateway.perimeter.perimeter import Perimeter
from services.gateway.settings import Settings
from services.gateway.surfaces.application import build

KEYED = [one for one in OPERATIONS if Surface.REST in one.surfaces and one.scope is not Scope.PUBLIC]
OPEN = [one for one in OPERATIONS if Surface.REST in one.surfaces and one.scope is Scope.PUBLIC]


@pytest.fixture
async def site(gateway, fresh_redis_url) -> AsyncIterator[tuple[httpx.AsyncClient, LimitGate, str]]:
    limiter = RedisLimiter.at(fresh_redis_url, answer_s=20.0)
    gate = LimitGate(limiter, Policies(Quotas(address=100_000, address_known=100_000)))
    key = mint("rich", tuple(str(scope) for scope in sorted(GRANTABLE)))
    await gateway.store.add_key(key.row)
    guard = Guard(Keyring(gateway.store), door=gate)
    gateway.desk.gate = gate
    app = Perimeter(build(gateway.desk, guard=guard, sessions=gateway.desk.sessions), Settings().rules)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as http:
        yield http, gate, key.text
    await limiter.stop()


def request(operation, key: str) -> tuple[str, str, dict[str, Any]]:
    """Return a call whose parameters fit, as far as the operation's example tells."""
    given = dict(operation.example.params)
    path = re.sub(r"\{(\w+)\}", lambda found: str(given.pop(found[1], "BTC-USDT-PERP")), operation.path)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    more = {"params": given} if operation.method in {"GET", "DELETE"} else {"json": given}
    return operation.method, path, more | {"headers": headers}


@pytest.mark.parametrize("operation", KEYED, ids=lambda one: one.name)
def test_f06_every_operation_costs_something(operation):
    buckets = Policies().call("k", limits="standard", operation=operation.name, cost=operation.cost)
    assert operation.cost >= 1
    assert all(bucket.cost >= 1 and bucket.cost <= bucket.quota for bucket in buckets)


async def test_f06_every_operation_is_limited(site):
    http, gate, key = site
    gate._policies = Policies(Quotas(per_second=1, per_minute=100, address=100_000, address_known=100_000))
    for operation in KEYED:
        redis = gate._limiter._redis
        await redis.flushdb()
        credential = key.split("_")[2]
        bucket = Policies(Quotas(per_second=1, per_minute=100)).call(
            credential, limits="standard", operation=operation.name, cost=operation.cost
        )[1]
        await redis.set(bucket.key, "9" * 16, px=600_000)  # as after a minute's whole budget
        method, path, more = request(operation, key)
        answer = await http.request(method, path, **more)
        assert answer.status_code == 429, (operation.name, answer.status_code, answer.text)
        assert answer.json()["code"] == "rate_limited"
        assert int(answer.headers["retry-after"]) >= 1
        assert '"sustained";q=100;w=60' in answer.headers["ratelimit-policy"]
        assert re.fullmatch(r'"[\w.]+";r=\d+;t=\d+', answer.headers["ratelimit"])


async def test_f06_nobody_is_limited_by_address(site):
    http, gate, _ = site
    gate._policies = Policies(Quotas(address=2))
    answers = [await http.get("/v1/markets") for _ in range(4)]
    assert [one.status_code for one in answers] == [401, 401, 429, 429]
    assert answers[3].headers["ratelimit-policy"] == '"anonymous";q=2;w=60'
    assert int(answers[3].headers["retry-after"]) >= 1


async def test_f06_guessing_keys_locks_the_address_out(site):
    http, gate, key = site
    gate._policies = Policies(Quotas(failures=3))
    wrong = {"Authorization": f"Bearer {mint('nobody').text}"}
    assert [(await http.get("/v1/markets", headers=wrong)).status_code for _ in range(4)] == [401, 401, 401, 429]
    locked = await http.get("/v1/markets", headers={"Authorization": f"Bearer {key}"})
    assert (locked.status_code, locked.json()["code"]) == (429, "locked_out")


@pytest.mark.parametrize("operation", OPEN, ids=lambda one: one.name)
async def test_f06_what_needs_no_key_is_limited_by_address(site, operation):
    http, gate, _ = site
    gate._policies = Policies(Quotas(address=1, address_known=1, failures=1))
    statuses = []
    for _ in range(16):
        method, path, more = request(operation, "")
        statuses.append((await http.request(method, path, **more)).status_code)
        if statuses[-1] == 429:
            break
    assert statuses[-1] == 429, (operation.name, statuses)
