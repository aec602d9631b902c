"""What every replica's stream clients are told, through Redis: views with their counts, and hints at the feed."""

import secrets
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from services.gateway.schemas.announcements import Announcement, Counted, count_of
from services.gateway.store.feed import Said

LIVE: Final = "csx:gateway:live"
"""The channel on which views are announced."""

TOLD: Final = "csx:gateway:told"
"""The channel on which replicas hint at what was added to the feed."""

_SEQ: Final = "csx:gateway:seq"
"""Counts announcements by channel, venue and symbol; its `epoch` is made anew where all of it was lost."""

_EPOCH: Final = "epoch"

_ANNOUNCE: Final = """
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then epoch = ARGV[2]; redis.call('HSET', KEYS[1], 'epoch', epoch) end
for i = 3, #ARGV, 2 do
  local seq = string.format('%.0f', redis.call('HINCRBY', KEYS[1], ARGV[i], 1))
  redis.call('PUBLISH', ARGV[1], '{"epoch":"' .. epoch .. '","seq":' .. seq .. ',' .. string.sub(ARGV[i + 1], 2))
end
"""
"""KEYS: the counts. ARGV: the channel to publish on, an epoch to begin with; then pairs of a count and a document."""


def announce(pipe: Any, announcements: Sequence[Announcement]) -> None:
    """Let `pipe`, a transaction, count and publish announcements beside the views that it writes."""
    if announcements:
        pairs = [
            part
            for one in announcements
            for part in (count_of(one.channel, one.venue, one.symbol), msgspec.json.encode(one))
        ]
        pipe.eval(_ANNOUNCE, 1, _SEQ, LIVE, secrets.token_hex(4), *pairs)


async def hint(redis: Redis, said: Sequence[Said]) -> None:
    """Tell every replica what was added to the feed; who misses it finds it in PostgreSQL."""
    pipe = redis.pipeline(transaction=False)
    for one in said:
        pipe.publish(TOLD, msgspec.msgpack.encode(one))
    await pipe.execute()


async def counted(redis: Redis, key: str, field: str = "") -> Counted:
    """Return the views of the hash `key`, or the one of `field`, with their counts."""
    pipe = redis.pipeline(transaction=True)
    if field:
        pipe.hmget(key, [field])
    else:
        pipe.hvals(key)
    pipe.hgetall(_SEQ)
    views, counts = await pipe.execute()
    texts = {name.decode(): value.decode() for name, value in counts.items()}
    epoch = texts.pop(_EPOCH, "")
    return Counted([view for view in views if view], {name: int(text) for name, text in texts.items()}, epoch)
