"""Questions to what the system needs: an address in, its own words on how it is out."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, Final, TypeAlias

import asyncpg
import httpx
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common.bus.topics import TOPICS
from libs.common.events import SECOND_NS
from services.ingest.venues import KEYED, VENUES
from services.ingest.venues.terms import AnswerError

Probe: TypeAlias = Coroutine[Any, Any, str]

_WITHIN_S: Final = 3.0


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


def clocks() -> tuple[str, ...]:
    """Return the venues that say their time to anybody."""
    return tuple(name for name, make in VENUES.items() if name not in KEYED and make().clock_request() is not None)


async def clock_skew(name: str, url: str | None = None) -> tuple[float, float]:
    """Return how far our clock is ahead of the venue's, seconds, and the uncertainty (half of the round trip).

    `url`: scheme and host of its REST; the venue's own where absent.

    Raises:
        OSError: the venue does not answer from here.
    """
    venue = VENUES[name]() if url is None else VENUES[name](rest_url=url)
    asked = venue.clock_request()
    if asked is None:
        raise OSError(f"{name} does not say its time")
    try:
        async with httpx.AsyncClient(timeout=_WITHIN_S) as client:
            began_s = time.time()
            answer = await client.request(
                "GET" if asked.body is None else "POST",
                asked.url,
                content=asked.body,
                headers={"Content-Type": "application/json"} if asked.body is not None else {},
            )
            ended_s = time.time()
            answer.raise_for_status()
        theirs_s = venue.clock_ns(answer.content) / SECOND_NS
    except (httpx.HTTPError, AnswerError) as e:
        raise OSError(f"{type(e).__name__}: {e}") from e
    return (began_s + ended_s) / 2 - theirs_s, (ended_s - began_s) / 2
