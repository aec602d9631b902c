"""The limits of all replicas together: buckets in, an admission out, decided in Redis by one script.

All requests that wait while a call is on its way go with the next one, so that a busy process asks Redis a few
thousand times a second, however many requests it has. Where Redis does not answer, this process decides alone and
more strictly, and asks again in the background until Redis is back: never open, and no request waits for it.
"""

import asyncio
import hashlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Final, Protocol

import msgspec
from msgspec import Struct
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError

from libs.common.runtime.clock import monotonic_ns
from services.gateway.limits import metrics
from services.gateway.limits.local import LocalBuckets, seconds
from services.gateway.limits.policy import Admission, Bucket

log = logging.getLogger(__name__)

SCRIPT: Final = files("services.gateway.limits").joinpath("gcra.lua").read_text()
AT_ONCE: Final = 64
"""Requests of one call at most: Redis answers nobody else meanwhile."""

_SHA: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
_ANSWER_S: Final = 0.5
_PACE_S: Final = 0.001
_AGAIN_S: Final = 1.0

_REMEMBERED: Final = 4_096
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[int]).decode
_FREE: Final = Admission(admitted=True, remaining=(), reset_s=())

_Waiting = tuple[tuple[Bucket, ...], "asyncio.Future[Admission]"]


class _Prepared(Struct, frozen=True):
    keys: list[bytes]
    numbers: list[int]


class Limiter(Protocol):
    """Decides what passes."""

    async def take(self, buckets: tuple[Bucket, ...]) -> Admission:
        """Take of all buckets or of none; no key twice among them."""


class RedisLimiter:
    """Buckets in Redis, with buckets of this process behind them."""

    def __init__(
        self,
        redis: Redis,
        *,
        replicas: int = 1,
        answer_s: float = _ANSWER_S,
        again_s: float = _AGAIN_S,
        clock_ns: Callable[[], int] = monotonic_ns,
    ) -> None:
        self._redis = redis
        self._local = LocalBuckets(replicas)
        self._answer_s = answer_s
        self._again_s = again_s
        self._clock_ns = clock_ns
        self._prepared: dict[tuple[Bucket, ...], _Prepared] = {}
        self._waiting: deque[_Waiting] = deque()
        self._sent_s = 0.0
        self._line: AbstractConnection | None = None
        self._pump: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None

    @classmethod
    def at(cls, url: str, *, replicas: int = 1, answer_s: float = _ANSWER_S) -> "RedisLimiter":
        """Return the limiter of all processes at `url`; it connects when it is used."""
        # no time-out of the socket: each question has its own, and two cost as much as the question
        redis = Redis.from_url(url, socket_connect_timeout=answer_s, retry=Retry(NoBackoff(), 0))
        return cls(redis, replicas=replicas, answer_s=answer_s)

    @property
    def degraded(self) -> bool:
        """Redis is away: this process decides alone."""
        return self._recovery is not None

    async def take(self, buckets: tuple[Bucket, ...]) -> Admission:
        """Take of all buckets or of none; no key twice among them."""
        if not buckets:
            return _FREE
        if self._recovery is not None:
            return self._alone(buckets)
        future: asyncio.Future[Admission] = asyncio.get_running_loop().create_future()
        self._waiting.append((buckets, future))
        if self._pump is None:
            self._pump = asyncio.create_task(self._send_all(), name="limits")
        return await future

    async def stop(self) -> None:
        """End the background work and disconnect."""
        tasks = [task for task in (self._pump, self._recovery) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._redis.aclose()

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                await self._gather()
                batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
                batch = [one for one in batch if not one[1].done()]
                if batch:
                    await self._decide(batch)
        finally:
            self._pump = None
            while self._waiting:
                self._give(*self._waiting.popleft())

    async def _gather(self) -> None:
        """Let others come along: who asks in this turn of the loop, and in a busy process within a millisecond."""
        loop = asyncio.get_running_loop()
        rest_s = self._sent_s + _PACE_S - loop.time()
        await asyncio.sleep(rest_s if rest_s > 0 and len(self._waiting) < AT_ONCE else 0)
        self._sent_s = loop.time()

    async def _decide(self, batch: list[_Waiting]) -> None:
        try:
            async with asyncio.timeout(self._answer_s):
                found = await self._ask([buckets for buckets, _ in batch])
        except (RedisError, OSError) as e:  # a time-out is an OSError
            self._away(e)
            for one in batch:
                self._give(*one)
            return
        except asyncio.CancelledError:
            for one in batch:
                self._give(*one)
            raise
        metrics.TAKEN.labels("redis").inc(len(batch))
        for (_, future), admission in zip(batch, found, strict=True):
            if not future.done():
                future.set_result(admission)

    def _give(self, buckets: tuple[Bucket, ...], future: "asyncio.Future[Admission]") -> None:
        if not future.done():
            future.set_result(self._alone(buckets))

    def _alone(self, buckets: tuple[Bucket, ...]) -> Admission:
        metrics.TAKEN.labels("process").inc()
        return _counted(buckets, self._local.take(buckets, self._clock_ns() // 1_000))

    async def _ask(self, requests: Sequence[tuple[Bucket, ...]]) -> list[Admission]:
        keys: list[bytes] = []
        numbers: list[int] = []
        for buckets in requests:
            prepared = self._prepare(buckets)
            keys += prepared.keys
            numbers += prepared.numbers
        metrics.CALLS.inc()
        words = [*keys, _encode(numbers)]
        try:
            reply = await self._command("EVALSHA", _SHA, len(keys), *words)
        except NoScriptError:
            reply = await self._command("EVAL", SCRIPT, len(keys), *words)
        return _read(_decode(reply), requests)

    async def _command(self, *words: str | int | bytes) -> bytes:
        """Ask on a connection of our own: the client's way around it costs more than the question."""
        if self._line is None:
            self._line = await self._redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]  # as it is
        try:
            return await _answer(self._line, words)
        except RedisConnectionError:  # closed while nobody asked; it opens again by itself
            return await _answer(self._line, words)

    def _prepare(self, buckets: tuple[Bucket, ...]) -> _Prepared:
        found = self._prepared.get(buckets)
        if found is None:
            numbers = [len(buckets)]
            for bucket in buckets:
                numbers += (bucket.emission_us, bucket.tolerance_us, bucket.cost)
            if len(self._prepared) >= _REMEMBERED:
                self._prepared.clear()
            found = self._prepared[buckets] = _Prepared([bucket.key.encode() for bucket in buckets], numbers)
        return found

    def _away(self, error: Exception) -> None:
        metrics.FAULTS.inc()
        if self._recovery is None:
            log.warning("Redis does not answer: this process limits alone", extra={"error": repr(error)})
            metrics.DEGRADED.set(1)
            self._recovery = asyncio.create_task(self._recover(), name="limits recovery")

    async def _recover(self) -> None:
        while True:
            await asyncio.sleep(self._again_s)
            try:
                async with asyncio.timeout(self._answer_s):
                    await self._redis.script_load(SCRIPT)
            except (RedisError, OSError):
                metrics.FAULTS.inc()
                continue
            log.warning("Redis answers again: all processes limit together")
            metrics.DEGRADED.set(0)
            self._recovery = None
            return


async def _answer(line: AbstractConnection, words: Sequence[str | int | bytes]) -> bytes:
    await line.send_command(*words)
    reply: bytes = await line.read_response()
    return reply


def _read(reply: Sequence[int], requests: Sequence[tuple[Bucket, ...]]) -> list[Admission]:
    found, at = [], 0
    for buckets in requests:
        end = at + 2 * len(buckets)
        admitted = reply[end] == 1
        admission = Admission(
            admitted,
            tuple(reply[at:end:2]),
            tuple(reply[at + 1 : end : 2]),
            retry_after_s=0 if admitted else seconds(reply[end + 1]),
        )
        found.append(_counted(buckets, admission))
        at = end + 2
    return found


def _counted(buckets: tuple[Bucket, ...], admission: Admission) -> Admission:
    if not admission.admitted:
        metrics.REFUSED.labels(refusing(buckets, admission).policy).inc()
    return admission


def refusing(buckets: tuple[Bucket, ...], admission: Admission) -> Bucket:
    """Return the first bucket that has no room for its cost; a request that was refused has one."""
    return next(b for b, remaining in zip(buckets, admission.remaining, strict=True) if remaining < b.cost)
