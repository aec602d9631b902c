"""Sessions that ended before their tokens did, in Redis: what holds where PostgreSQL does not answer."""

import logging
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.access.tokens import LEEWAY_S, LIFE_S

log = logging.getLogger(__name__)

_KEY: Final = "csx:gateway:deny:"
_KEPT_S: Final = LIFE_S + 2 * LEEWAY_S
"""Longer than any token lives that was signed before."""


class Denials:
    """The ids of sessions that open nothing; each is kept until its last token has expired."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, family: str) -> bool:
        """Deny a session; False: Redis does not answer."""
        try:
            await self._redis.set(f"{_KEY}{family}", b"1", ex=_KEPT_S)
        except (RedisError, OSError) as e:
            log.warning("a session's end was not told to Redis", extra={"error": repr(e)})
            return False
        return True

    async def denied(self, family: str) -> bool:
        """Tell whether a session was denied; not denied where Redis does not answer."""
        try:
            return bool(await self._redis.exists(f"{_KEY}{family}"))
        except (RedisError, OSError) as e:
            log.warning("denials cannot be read: Redis does not answer", extra={"error": repr(e)})
            return False
