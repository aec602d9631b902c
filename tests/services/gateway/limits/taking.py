"""A process that takes of one bucket: the server's URL and how many at once in, how many were admitted out."""

import asyncio
import sys

from services.gateway.limits.limiter import RedisLimiter
from services.gateway.limits.policy import Bucket


async def take(url: str, count: int) -> int:
    """Take `count` times at once."""
    limiter = RedisLimiter.at(url, answer_s=20.0)  # a busy machine is slow, not away
    found = await asyncio.gather(*(limiter.take((Bucket("day", "shared", 1_000, 86_400),)) for _ in range(count)))
    assert not any(one.degraded for one in found)
    await limiter.stop()
    return sum(one.admitted for one in found)


if __name__ == "__main__":
    sys.stdin.readline()  # both begin when both are ready
    sys.stdout.write(f"{asyncio.run(take(sys.argv[1], int(sys.argv[2])))}\n")
