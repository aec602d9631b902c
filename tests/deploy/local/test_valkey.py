"""Valkey starts on loopback, asks for its password and keeps its data."""

import os
from pathlib import Path

import pytest
import redis
from redis.asyncio import Redis

from deploy.local.children import free_port
from deploy.local.valkey import EmbeddedValkey


def test_data_survive_a_restart_on_another_port(store_dir):
    home = store_dir / os.urandom(4).hex()
    home.mkdir(mode=0o711)
    for expected in (1, 2):
        server = EmbeddedValkey()
        with redis.Redis.from_url(server.start(home, free_port())) as client:
            assert client.incr("kept") == expected
            assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        words = Path(f"/proc/{server.child.pid}/cmdline").read_bytes()
        assert (home / "valkey.password").read_bytes() not in words
        server.stop()
    assert (home / "valkey.password").stat().st_mode & 0o777 == 0o600


async def test_no_password_no_answer(redis_url):
    client = Redis.from_url("redis://" + redis_url.rpartition("@")[2])
    with pytest.raises(redis.exceptions.AuthenticationError):
        await client.ping()
    await client.aclose()


async def test_a_fresh_server_is_empty(fresh_redis_url):
    client = Redis.from_url(fresh_redis_url)
    assert await client.dbsize() == 0
    await client.set("left", "over")
    await client.aclose()
