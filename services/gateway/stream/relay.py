"""What any replica announces through Redis to the clients of this one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from libs.common.runtime.backoff import Backoff
from services.gateway.outages import OUTAGES
from services.gateway.store.announcements import LIVE, TOLD
from services.gateway.store.feed import Said
from services.gateway.stream.envelope import Numbered, message
from services.gateway.stream.following import Follower
from services.gateway.stream.hub import Hub
from services.gateway.stream.snapshots import Snapshots

log = logging.getLogger(__name__)

_READ_S: Final = 1.0
_live: Final = msgspec.json.Decoder(Numbered).decode
_told: Final = msgspec.msgpack.Decoder(Said).decode


class Relay:
    """Listens to Redis. What is missed in a break is made good: kept channels from PostgreSQL, views by snapshots."""

    def __init__(self, redis: Redis, hub: Hub, follower: Follower, snapshots: Snapshots) -> None:
        self._redis = redis
        self._hub = hub
        self._follower = follower
        self._snapshots = snapshots
        self._renewing: asyncio.Task[None] | None = None
        self._listened = False

    async def run(self) -> None:
        """Listen until cancelled; what is kept does not wait behind what conflates."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen(TOLD, self._hint), name="stream hints")
            tasks.create_task(self._listen(LIVE, self._pass_on), name="stream views")

    async def _listen(self, channel: str, take: Callable[[bytes], Awaitable[None]]) -> None:
        backoff = Backoff(0.2, 5.0)
        while not self._hub.draining:  # besides being cancelled: a client library in trouble may swallow that
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(channel)
                    backoff.reset()
                    while not self._hub.draining:
                        raw = await pubsub.get_message(timeout=_READ_S)
                        if raw and raw["type"] == "message":
                            await take(raw["data"])
                        elif raw and channel == LIVE:
                            self._listening()
            except (RedisError, OSError) as e:
                log.warning("the announcements broke off", extra={"error": repr(e)})
                await asyncio.sleep(backoff.next_s())

    def _listening(self) -> None:
        """Make good what was said meanwhile, where this is not the first time: clients of Redis come back silently."""
        if self._listened:
            self._renew()
        self._listened = True

    async def _hint(self, data: bytes) -> None:
        self._follower.hint(_told(data))

    async def _pass_on(self, data: bytes) -> None:
        one = _live(data)
        if one.epoch != self._hub.epoch:
            known = bool(self._hub.epoch)
            self._hub.begin_epoch(one.epoch)
            if known:
                log.warning("the counts of announcements were lost: clients get new snapshots")
                self._renew()
        if self._hub.wanted(one.channel):
            await self._hub.spread(message(one))

    def _renew(self) -> None:
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._show(), name="stream renewal")

    async def _show(self) -> None:
        for topic in self._hub.topics():
            if topic.channel in self._hub.tails:
                continue
            try:
                self._hub.show(topic, await self._snapshots.of(topic))
            except OUTAGES as e:
                log.warning("a snapshot could not be read", extra={"error": repr(e), "channel": topic.channel})
