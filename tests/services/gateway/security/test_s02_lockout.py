"""S-02: guessing is locked out, and how long a refusal takes tells nothing."""

import statistics
import time

import httpx
import pytest
from msgspec import structs

from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring
from services.gateway.access.keys import AuthError, mint
from services.gateway.limits.gate import LimitGate
from services.gateway.limits.limiter import RedisLimiter
from services.gateway.perimeter.perimeter import Perimeter
from services.gateway.settings import Settings
from services.gateway.surfaces.application import build

FAILURES = 10


@pytest.fixture
async def at(gateway):
    """Clients at addresses of a gateway that counts refusals."""
    limiter = RedisLimiter(gateway.latest.redis)
    guard = Guard(Keyring(gateway.store, clock=gateway.clock), door=LimitGate(limiter))
    app = Perimeter(build(gateway.desk, guard=guard, sessions=gateway.desk.sessions), Settings().rules)

    def client(address, key):
        transport = httpx.ASGITransport(app=app, client=(address, 50_000))
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080", headers=headers)

    return client


async def test_s02_ten_refused_keys_lock_an_address_out(gateway, at):
    good = gateway.key
    async with at("192.0.2.1", good) as mine, at("192.0.2.2", good) as others:
        assert (await mine.get("/v1/markets")).status_code == 200
        guesses = [mint("x").text for _ in range(FAILURES)]
        for guess in guesses:
            answer = await mine.get("/v1/markets", headers={"Authorization": f"Bearer {guess}"})
            assert answer.status_code == 401
        locked = await mine.get("/v1/markets", headers={"Authorization": f"Bearer {mint('x').text}"})
        assert (locked.status_code, locked.json()["code"]) == (429, "locked_out")
        assert int(locked.headers["retry-after"]) >= 1
        # the right one too, or the lock would tell it from the wrong ones
        assert (await mine.get("/v1/markets")).status_code == 429
        assert (await others.get("/v1/markets")).status_code == 200
        assert (await mine.get("/livez")).status_code == 200


async def test_s02_addresses_of_one_network_of_ipv6_are_one(gateway, at):
    for number in range(FAILURES):
        async with at(f"2001:db8:1:2::{number + 1:x}", mint("x").text) as client:
            assert (await client.get("/v1/markets")).status_code == 401
    async with at("2001:db8:1:2:ffff::1", gateway.key) as client:
        assert (await client.get("/v1/markets")).status_code == 429
    async with at("2001:db8:1:3::1", gateway.key) as client:
        assert (await client.get("/v1/markets")).status_code == 200


async def test_s02_a_replica_knows_what_the_other_refused(gateway, at):
    for _ in range(FAILURES):
        async with at("192.0.2.3", mint("x").text) as client:
            await client.get("/v1/markets")
    other = LimitGate(RedisLimiter(gateway.latest.redis))
    guard = Guard(Keyring(gateway.store, clock=gateway.clock), door=other)
    from services.gateway.problems import Problem

    with pytest.raises(Problem) as caught:
        await guard.who({"authorization": f"Bearer {gateway.key}"}, address="192.0.2.3")
    assert caught.value.code == "locked_out"


class Shelf:
    def __init__(self, row):
        self.row = row

    async def find_key(self, key_id):
        return self.row if self.row and key_id == self.row.key_id else None


async def refusal_s(ring, text):
    begin = time.perf_counter()
    with pytest.raises(AuthError, match="not known"):
        await ring.check(text)
    return time.perf_counter() - begin


async def test_s02_an_unknown_id_a_wrong_secret_and_a_nearly_right_one_take_equally_long():
    right, other = mint("a"), mint("b")
    row = structs.replace(other.row, key_id=right.row.key_id)
    nearly = structs.replace(right.row, digest=right.row.digest[:-1] + bytes([right.row.digest[-1] ^ 1]))
    rings = {"unknown": Keyring(Shelf(None)), "wrong": Keyring(Shelf(row)), "nearly": Keyring(Shelf(nearly))}
    taken: dict[str, list[float]] = {name: [] for name in rings}
    for _ in range(2_000):
        for name, ring in rings.items():
            taken[name].append(await refusal_s(ring, right.text))
    medians = {name: statistics.median(some) for name, some in taken.items()}
    assert max(medians.values()) < 1.5 * min(medians.values()), medians
    assert max(medians.values()) < 0.005
