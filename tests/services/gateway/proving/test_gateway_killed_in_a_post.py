"""R-27: a gateway killed while it makes something; whoever sends the request again finds it made once."""

import asyncio
import json
import random
from pathlib import Path

import asyncpg
import httpx
import pytest

from services.gateway.access.keys import mint, well_formed
from services.gateway.store import keys

ROOT = Path(__file__).resolve().parents[4]
WITHIN_S = 30.0
KILLS = 100

HOOK = """
CREATE FUNCTION gateway.wait_here() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN
  IF (SELECT nextval('gateway.hooked')) <= 1 THEN PERFORM pg_sleep(1.0); END IF;
  RETURN coalesce(NEW, OLD);
END$$;
CREATE SEQUENCE gateway.hooked;
"""
"""The first to come by waits: that is when the process is killed."""

MOMENTS = {
    "while it works": "CREATE TRIGGER wait_here BEFORE INSERT ON gateway.api_keys FOR EACH ROW",
    "when all is written": "CREATE TRIGGER wait_here AFTER UPDATE ON gateway.audit_head FOR EACH ROW",
    "in the commit": "CREATE CONSTRAINT TRIGGER wait_here AFTER INSERT ON gateway.idempotency "
    "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
}


class Maker:
    """Asks for keys, over a bare connection: what is sent is on its way when `send` returns."""

    def __init__(self, serving, key):
        self._serving = serving
        self._key = key

    def _request(self, number):
        body = json.dumps({"name": f"key {number}", "scopes": ["read:market"]}).encode()
        head = (
            f"POST /v1/keys HTTP/1.1\r\nHost: 127.0.0.1:{self._serving.port}\r\nAuthorization: Bearer {self._key}\r\n"
            f"Idempotency-Key: post-{number}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    async def send(self, number):
        _, writer = await asyncio.open_connection("127.0.0.1", self._serving.port)
        writer.write(self._request(number))
        await writer.drain()
        return writer

    async def insist(self, number):
        """Send it until it is answered; returns the answer."""
        address = f"http://127.0.0.1:{self._serving.port}"
        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": f"post-{number}"}
        wish = {"name": f"key {number}", "scopes": ["read:market"]}
        async with asyncio.timeout(WITHIN_S), httpx.AsyncClient(base_url=address, headers=headers) as client:
            while (answer := await client.post("/v1/keys", json=wish)).status_code == 409:
                assert answer.json()["code"] == "idempotency_in_flight"
                await asyncio.sleep(0.05)
            again = await client.post("/v1/keys", json=wish)
        assert again.content == answer.content
        return answer


@pytest.fixture
async def connection(fresh_dsn):
    connection = await asyncpg.connect(fresh_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def maker(serving, connection):
    key = mint("maker", ["write:keys", "read:market"])
    await keys.add(connection, key.row)
    await serving.start()
    return Maker(serving, key.text)


async def made_once(connection, number, answer):
    assert answer.status_code == 201, answer.text
    body = answer.json()
    rows = await connection.fetch("SELECT * FROM gateway.api_keys WHERE name = $1", f"key {number}")
    assert [row["key_id"] for row in rows] == [body["key"]["key_id"]]
    assert well_formed(body["secret"])
    records = "SELECT count(*) FROM gateway.audit WHERE target = $1"
    assert await connection.fetchval(records, body["key"]["key_id"]) == 1


@pytest.mark.parametrize("moment", MOMENTS)
async def test_killed_at_a_chosen_moment_it_is_made_once(serving, maker, connection, moment):
    await connection.execute(HOOK)
    await connection.execute(f"{MOMENTS[moment]} EXECUTE FUNCTION gateway.wait_here()")
    writer = await maker.send(1)
    async with asyncio.timeout(WITHIN_S):
        asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
        while not await connection.fetchval(asleep):  # noqa: ASYNC110 - PostgreSQL has no event for it
            await asyncio.sleep(0.01)
    serving.kill()
    writer.close()
    await serving.start()
    answer = await maker.insist(1)
    await made_once(connection, 1, answer)
    assert (answer.headers.get("idempotent-replayed") == "true") is (moment == "in the commit")


@pytest.mark.slow
@pytest.mark.timeout(1200)
async def test_killed_at_a_hundred_random_moments_each_is_made_once(serving, maker, connection):
    chance, replayed = random.Random(27), 0
    for number in range(KILLS):
        writer = await maker.send(number)
        await asyncio.sleep(chance.uniform(0.0, 0.03))
        serving.kill()
        writer.close()
        await serving.start()
        answer = await maker.insist(number)
        await made_once(connection, number, answer)
        await connection.execute("UPDATE gateway.api_keys SET revoked_ns = 1 WHERE name = $1", f"key {number}")
        replayed += answer.headers.get("idempotent-replayed") == "true"
    assert 0 < replayed < KILLS, "the kills fell on one side of the commit only"
    count = "SELECT count(*) FROM gateway.api_keys WHERE name LIKE 'key %'"
    assert await connection.fetchval(count) == KILLS
