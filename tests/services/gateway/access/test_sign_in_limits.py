"""Signing in against its limits: guesses lock an address out, and what needs nobody is counted by address."""

import pytest

from services.gateway.limits.gate import LimitGate
from services.gateway.limits.limiter import RedisLimiter
from services.gateway.limits.policy import Policies, Quotas
from tests.services.gateway.entering import PASSWORD, Browser, person


@pytest.fixture
async def gate(gateway, fresh_redis_url):
    """The limits of one address: twenty requests a minute, three failures."""
    limiter = RedisLimiter.at(fresh_redis_url)
    gate = LimitGate(limiter, Policies(Quotas(address=20, failures=3)))
    gateway.desk.gate = gate
    gateway.desk.sign_ins._tries = gate
    yield gate
    await limiter.stop()


async def test_three_wrong_passwords_lock_an_address_out_and_the_right_one_too(gateway, gate):
    await person(gateway.store)
    async with Browser(gateway.app) as browser:
        for _ in range(3):
            assert (await browser.sign_in(name="ada", password="wrong horse battery")).status_code == 401
        answer = await browser.sign_in(name="ada", password=PASSWORD)
        assert (answer.status_code, answer.json()["code"]) == (429, "locked_out")
        assert int(answer.headers["retry-after"]) >= 1


async def test_what_needs_nobody_is_counted_by_address(gateway, gate):
    async with Browser(gateway.app) as browser:
        answers = [await browser.get("/v1/auth/session") for _ in range(21)]
        assert [answer.status_code for answer in answers] == [200] * 20 + [429]
        assert answers[-1].json()["code"] == "rate_limited"
        assert int(answers[-1].headers["retry-after"]) >= 1


async def test_without_redis_nobody_signs_in_and_sessions_go_on(gateway, gate):
    await person(gateway.store)
    async with Browser(gateway.app) as browser:
        await browser.sign_in()
        dead = RedisLimiter.at("redis://127.0.0.1:1/0")
        gateway.desk.gate = gateway.desk.sign_ins._tries = LimitGate(dead)
        assert (await browser.get("/v1/auth/session")).json()["signed_in"] is True
        assert (await browser.refresh()).status_code == 200
        answer = await browser.sign_in(name="ada", password=PASSWORD)
        assert (answer.status_code, answer.json()["code"]) == (503, "limits_degraded")
        await dead.stop()
