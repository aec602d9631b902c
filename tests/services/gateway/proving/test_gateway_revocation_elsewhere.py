"""A key that is revoked at one gateway opens nothing at another, nor what it has open there, within five seconds."""

import asyncio
import contextlib

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from libs.common.runtime.clock import monotonic_s
from services.gateway.access.keys import mint
from services.gateway.store import keys

LONGEST_S = 5.0
REVOKED = 4403


@pytest.fixture
async def both(serving, other, fresh_dsn):
    """Two gateways, and the keys of an owner and of one of theirs."""
    owner, mine = mint("owner", ["write:keys"]), mint("mine", ["read"])
    connection = await asyncpg.connect(fresh_dsn)
    for key in (owner, mine):
        await keys.add(connection, key.row)
    await serving.start()
    await other.start()
    yield owner.text, mine
    await connection.close()


def client(serving, key):
    headers = {"Authorization": f"Bearer {key}"}
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{serving.port}", headers=headers)


async def refused_after_s(there):
    """Ask until it is refused; returns how long that took."""
    begin = monotonic_s()
    async with asyncio.timeout(LONGEST_S + 5):
        while (await there.get("/v1/markets")).status_code == 200:  # noqa: ASYNC110 - there is nothing to wait for
            await asyncio.sleep(0.02)
    return monotonic_s() - begin


async def stream(serving, key):
    socket = await connect(
        f"ws://127.0.0.1:{serving.port}/v1/stream", additional_headers={"Authorization": f"Bearer {key}"}
    )
    await socket.recv()  # ready
    return socket


async def closed_after_s(socket):
    begin = monotonic_s()
    async with asyncio.timeout(LONGEST_S + 5):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return monotonic_s() - begin


@pytest.mark.parametrize("way", ["revoked", "rotated", "its owner shut out, past Redis"])
async def test_what_is_void_here_is_void_there_and_on_open_sockets(serving, other, both, fresh_dsn, way):
    owner, mine = both
    async with client(serving, owner) as here, client(other, mine.text) as there:
        assert (await there.get("/v1/markets")).status_code == 200  # it is remembered there
        sockets = [await stream(one, mine.text) for one in (serving, other)]
        assert (await there.get("/v1/markets")).status_code == 200
        match way:
            case "revoked":
                assert (await here.delete(f"/v1/keys/{mine.row.key_id}")).status_code == 200
            case "rotated":
                answer = await here.post(f"/v1/keys/{mine.row.key_id}/rotate", json={"overlap_s": 0})
                assert answer.status_code == 403  # its owner holds keys, and no market
                connection = await asyncpg.connect(fresh_dsn)
                await keys.follow(connection, mine.row.key_id, "0123456789", 1)
                await connection.close()
            case _:
                connection = await asyncpg.connect(fresh_dsn)
                await connection.execute("UPDATE gateway.users SET disabled_ns = 1 WHERE user_id = 'local'")
                await connection.close()
        taken = await asyncio.gather(refused_after_s(there), *map(closed_after_s, sockets))
    assert max(taken) < LONGEST_S, taken
    assert [socket.close_code for socket in sockets] == [REVOKED, REVOKED]
    if way == "revoked":
        assert taken[0] < 1.0  # told, not found
