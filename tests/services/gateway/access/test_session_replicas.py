"""One session on two replicas that share their stores: begun, used, refreshed and ended on either."""

import asyncio

import pytest

from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring
from services.gateway.access.revocation import Revocations
from services.gateway.operations.desk import Desk
from services.gateway.perimeter.perimeter import Perimeter
from services.gateway.settings import Settings
from services.gateway.stream.opening import Sessions
from services.gateway.surfaces.application import build
from tests.services.gateway import entering
from tests.services.gateway.entering import Browser, person


@pytest.fixture
async def other(gateway):
    """A second replica, which hears what the first tells."""
    keyring = Keyring(gateway.store, monotonic=lambda: gateway.clock() / 1e9, clock=gateway.clock)
    guard = Guard(keyring)
    sessions = Sessions(gateway.hub, gateway.board, guard, gateway.store, gateway.latest)
    desk = Desk(
        store=gateway.store,
        latest=gateway.latest,
        board=gateway.board,
        faults=gateway.desk.faults,
        clock=gateway.clock,
        sessions=sessions,
    )
    heard = Revocations(gateway.latest.redis, guard)
    desk.sign_ins = entering.sign_ins(gateway.store, gateway.latest, keyring, guard, gateway.clock, tell=heard.tell)
    told = Revocations(gateway.latest.redis, gateway.guard)
    listening = [asyncio.create_task(one.listen()) for one in (heard, told)]
    while (await gateway.latest.redis.pubsub_numsub("csx:gateway:revoked"))[0][1] < 2:  # noqa: ASYNC110 - Redis has no event
        await asyncio.sleep(0.005)
    yield Perimeter(build(desk, guard=guard, sessions=sessions), Settings().rules)
    for task in listening:
        task.cancel()
    await asyncio.gather(*listening, return_exceptions=True)


async def test_a_session_is_the_same_on_both(gateway, other):
    await person(gateway.store)
    async with Browser(gateway.app) as here, Browser(other) as there:
        await here.sign_in()
        there.word = here.word
        there.http.cookies.update(here.http.cookies)
        assert (await there.get("/v1/markets")).status_code == 200
        assert (await there.post("/v1/stream/tickets")).status_code == 201
        assert (await there.refresh()).status_code == 200
        gateway.clock.now += 6_000_000_000
        assert (await here.refresh()).status_code == 401  # the token of before: it was copied, so both end
        await _until_out(there)


async def test_who_signs_out_there_is_out_here_without_waiting_for_what_is_remembered(gateway, other):
    await person(gateway.store)
    async with Browser(gateway.app) as here, Browser(other) as there:
        await here.sign_in()
        there.word = here.word
        there.http.cookies.update(here.http.cookies)
        assert (await here.get("/v1/markets")).status_code == 200  # remembered here for three seconds of this clock
        assert (await there.post("/v1/auth/sign-out")).status_code == 200
        await _until_out(here)


async def _until_out(browser):
    async with asyncio.timeout(5):
        while (await browser.get("/v1/markets")).status_code != 401:  # noqa: ASYNC110 - it is told by Redis
            await asyncio.sleep(0.01)
