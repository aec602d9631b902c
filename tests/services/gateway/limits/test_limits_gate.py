"""Requests at their limits: whom the gate lets in, whom it turns away, with which words."""

from collections.abc import AsyncIterator

import pytest
from msgspec import Struct
from msgspec.structs import replace

from deploy.local.children import free_port
from services.gateway.access.principal import ANONYMOUS, Principal, Way
from services.gateway.access.scopes import READING, Scope
from services.gateway.limits.gate import LimitGate
from services.gateway.limits.limiter import RedisLimiter
from services.gateway.limits.policy import Policies, Quotas
from services.gateway.operations.desk import Caller
from services.gateway.operations.operation import Example, Nothing, Operation
from services.gateway.problems import Problem

ADDRESS = "203.0.113.9"


class Answer(Struct):
    """Nothing of interest."""


async def _read(desk, caller, wanted):
    return Answer()


OPERATION = Operation(
    name="things.list",
    method="GET",
    path="/v1/things",
    params=Nothing,
    answer=Answer,
    read=_read,
    scope=Scope.MARKET,
    summary="Things",
    detail="Things.",
    tag="things",
    example=Example({}),
    cost=2,
)


def caller(**changes) -> Caller:
    principal = Principal(way=Way.KEY, subject="u1", credential="key1", name="mine", scopes=frozenset(READING))
    return Caller(principal=replace(principal, **changes), address=ADDRESS)


@pytest.fixture
async def gate(fresh_redis_url: str) -> AsyncIterator[LimitGate]:
    limiter = RedisLimiter.at(fresh_redis_url, answer_s=20.0)
    yield LimitGate(limiter, Policies(Quotas(per_second=50, per_minute=100, address=3, address_known=20, failures=2)))
    await limiter.stop()


@pytest.fixture
async def alone() -> AsyncIterator[LimitGate]:
    limiter = RedisLimiter.at(f"redis://127.0.0.1:{free_port()}/0")
    yield LimitGate(limiter)
    await limiter.stop()


async def test_an_admitted_call_carries_what_is_left(gate):
    one = caller()
    await gate.admit(one, OPERATION)
    assert one.headers == {
        "RateLimit-Policy": '"burst";q=50;w=1, "sustained";q=100;w=60',
        "RateLimit": '"sustained";r=98;t=2',
    }


async def test_beyond_its_minute_a_credential_is_told_when_to_come_again(gate):
    dear = replace(OPERATION, cost=4)
    for _ in range(25):
        await gate.admit(caller(), dear)
    with pytest.raises(Problem) as e:
        await gate.admit(caller(), dear)
    assert (e.value.code, e.value.status) == ("rate_limited", 429)
    assert "sustained: at most 100 in 60 s" in e.value.detail
    assert e.value.headers["RateLimit"].startswith('"sustained";r=')
    assert 1 <= int(e.value.headers["Retry-After"]) <= 3
    await gate.admit(caller(credential="key2"), dear)


async def test_a_used_up_day_has_a_name_of_its_own(gate):
    await gate.admit(caller(quota_day=3), OPERATION)
    with pytest.raises(Problem) as e:
        await gate.admit(caller(quota_day=3), OPERATION)
    assert e.value.code == "quota_exhausted"
    assert e.value.headers["Retry-After"] == "28800"  # one unit of three comes back in eight hours


async def test_nobody_pays_at_the_door(gate):
    one = Caller(principal=ANONYMOUS, address=ADDRESS)
    await gate.admit(one, OPERATION)
    assert one.headers == {}
    assert await gate.door(ADDRESS, known=False) == {
        "RateLimit-Policy": '"anonymous";q=3;w=60',
        "RateLimit": '"anonymous";r=2;t=20',
    }
    await gate.door(ADDRESS, known=False)
    await gate.door(ADDRESS, known=False)
    with pytest.raises(Problem, match="anonymous: at most 3 in 60 s"):
        await gate.door(ADDRESS, known=False)
    await gate.door("203.0.113.10", known=False)


async def test_nobody_has_a_bucket_for_each_costly_operation(gate):
    dear = replace(OPERATION, cost=50)
    one = Caller(principal=ANONYMOUS, address=ADDRESS)
    for _ in range(12):
        await gate.admit(one, dear)
    with pytest.raises(Problem, match=r"things\.list: at most 600 in 60 s"):
        await gate.admit(one, dear)


async def test_an_address_whose_credentials_were_refused_is_locked_out(gate):
    await gate.door(ADDRESS, known=True)
    await gate.refused(ADDRESS)
    await gate.attempt(ADDRESS)
    await gate.refused(ADDRESS)
    for locked in (gate.door(ADDRESS, known=True), gate.attempt(ADDRESS)):
        with pytest.raises(Problem) as e:
            await locked
        assert (e.value.code, e.value.status, e.value.headers["Retry-After"]) == ("locked_out", 429, "30")
    await gate.door(ADDRESS, known=False)  # who shows nothing guesses nothing
    await gate.attempt("203.0.113.10")


async def test_without_redis_what_is_dear_or_secret_is_refused(alone):
    await alone.admit(caller(), OPERATION)
    await alone.door(ADDRESS, known=True)
    for refused in (
        alone.admit(caller(), replace(OPERATION, cost=50)),
        alone.admit(caller(), replace(OPERATION, secret_reply=True)),
        alone.attempt(ADDRESS),
    ):
        with pytest.raises(Problem) as e:
            await refused
        assert (e.value.code, e.value.status) == ("limits_degraded", 503)
