"""Questions to what the system needs: an address in, its own words on how it is out."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final, TypeAlias

import asyncpg
import httpx
import msgspec
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common.bus.topics import TOPICS

Probe: TypeAlias = Coroutine[Any, Any, str]

_WITHIN_S: Final = 3.0
_CLOCKS: Final = {
    "binance-usdm": "https://fapi.binance.com/fapi/v1/time",
    "okx": "https://www.okx.com/api/v5/public/time",
}


class Unreachable(RuntimeError):
    """It does not answer, or not as it must; the message says how."""


async def kafka(bootstrap: str) -> str:
    """Return how many of our topics a broker has.

    Raises:
        Unreachable: no broker answers there.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(_WITHIN_S * 1000))
    try:
        async with asyncio.timeout(_WITHIN_S):
            await admin.start()
            existing = set(await admin.list_topics())
    except (KafkaError, OSError) as e:
        raise Unreachable(f"no broker answers at {bootstrap}: {e}") from e
    finally:
        await admin.close()
    missing = [topic.name for topic in TOPICS if topic.name not in existing]
    made = "a service makes them when it starts" if missing else "all there"
    return f"{bootstrap}, {len(TOPICS) - len(missing)} of {len(TOPICS)} topics, {made}"


async def postgres(dsn: str) -> str:
    """Return a database's version.

    Raises:
        Unreachable: no database answers there, or it refuses the password.
    """
    try:
        connection = await asyncpg.connect(dsn, timeout=_WITHIN_S)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as e:
        raise Unreachable(f"{type(e).__name__}: {e}") from e
    try:
        return f"PostgreSQL {await connection.fetchval('SHOW server_version')}"
    finally:
        await connection.close()


async def valkey(url: str) -> str:
    """Return a server's version.

    Raises:
        Unreachable: nothing answers there, or it refuses the password.
    """
    try:
        client = Redis.from_url(url, socket_connect_timeout=_WITHIN_S, socket_timeout=_WITHIN_S)
    except ValueError as e:
        raise Unreachable(str(e)) from e
    try:
        facts = await client.info("server")
    except (RedisError, OSError) as e:
        raise Unreachable(f"{type(e).__name__}: {e}") from e
    finally:
        await client.aclose()
    return f"{facts.get('server_name', 'redis')} {facts.get('valkey_version', facts['redis_version'])}"


async def clock_skew(venue: str, url: str | None = None) -> tuple[float, float]:
    """Return how far our clock is ahead of the venue's, seconds, and the uncertainty (half of the round trip).

    Raises:
        OSError: the venue does not answer from here.
    """
    try:
        async with httpx.AsyncClient(timeout=_WITHIN_S) as client:
            began_s = time.time()
            answer = await client.get(url or _CLOCKS[venue])
            ended_s = time.time()
            answer.raise_for_status()
        body = msgspec.json.decode(answer.content)
        theirs_s = int(body["serverTime"] if venue == "binance-usdm" else body["data"][0]["ts"]) / 1000
    except (httpx.HTTPError, msgspec.DecodeError, LookupError, TypeError, ValueError) as e:
        raise OSError(f"{type(e).__name__}: {e}") from e
    return (began_s + ended_s) / 2 - theirs_s, (ended_s - began_s) / 2
