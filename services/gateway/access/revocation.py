"""Credentials that are void: told to every replica, each of which then looks again; without Redis it does so anyway.

A replica remembers what a credential opens for three seconds; what is told here only makes it sooner.
"""

import asyncio
import logging
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.gateway.access.guard import Guard

log = logging.getLogger(__name__)

CHANNEL: Final = "csx:gateway:revoked"
_AGAIN_S: Final = 1.0
_EVERYTHING: Final = ""


class Revocations:
    """Tells and hears."""

    def __init__(self, redis: Redis, guard: Guard) -> None:
        self._redis = redis
        self._guard = guard

    async def tell(self, credential: str) -> None:
        """Look again at a credential (an empty one: at all), here now and elsewhere as soon as they hear."""
        self._guard.forget(credential)
        try:
            await self._redis.publish(CHANNEL, credential)
        except (RedisError, OSError) as e:
            log.warning("a revocation was not told: others find it within seconds", extra={"error": repr(e)})

    async def listen(self) -> None:
        """Hear what others tell, until cancelled."""
        while True:
            try:
                await self._hear()
            except (RedisError, OSError) as e:
                log.warning("revocations are not heard: they are found within seconds", extra={"error": repr(e)})
            await asyncio.sleep(_AGAIN_S)

    async def _hear(self) -> None:
        async with self._redis.pubsub() as channel:
            await channel.subscribe(CHANNEL)
            self._guard.forget(_EVERYTHING)  # whatever was told while nobody listened
            async for message in channel.listen():
                if message["type"] == "message":
                    data = message["data"]
                    self._guard.forget(data.decode() if isinstance(data, bytes) else str(data))
