"""The script of the buckets, and the buckets of one process, against a leaky bucket written with fractions here."""

import math
from collections.abc import Iterator
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from msgspec import Struct
from redis import Redis

from services.gateway.limits.limiter import SCRIPT
from services.gateway.limits.local import LocalBuckets
from services.gateway.limits.policy import Bucket

CLOCK = "redis.call('TIME')"
LIFE = "math.ceil((held[i] - now) / 1000)"
SETTABLE = SCRIPT.replace(CLOCK, "{redis.call('GET', 'clock:s'), redis.call('GET', 'clock:us')}").replace(LIFE, "60000")
START_US = 1_723_118_400 * 1_000_000 + 999_999


class Leaky(Struct):
    """One bucket: how full of spent units, and since when."""

    level: Fraction = Fraction(0)
    at_us: int = START_US


Asked = tuple[int, tuple[Bucket, ...]]
Answer = tuple[bool, list[int], list[int], int]


def of_model(rooms: dict[tuple[str, str], Leaky], buckets: tuple[Bucket, ...], now_us: int) -> Answer:
    """Decide by hand: spent units leak out evenly, one each `window // quota` microseconds."""
    levels, waits = [], [Fraction(0)]
    for b in buckets:
        each_us = (b.window_s * 1_000_000) // b.quota
        room = rooms.setdefault((b.policy, b.subject), Leaky())
        level = max(Fraction(0), room.level - Fraction(now_us - room.at_us, each_us))
        levels.append(level)
        if b.cost:
            waits.append((level + b.cost - b.quota) * each_us)
    passes = max(waits) <= 0
    remaining, reset = [], []
    for b, level in zip(buckets, levels, strict=True):
        each_us = (b.window_s * 1_000_000) // b.quota
        after = level + b.cost if passes else level
        rooms[b.policy, b.subject] = Leaky(after, now_us)
        remaining.append(math.floor(b.quota - after))
        reset.append(math.ceil(after * each_us / 1_000_000))
    return passes, remaining, reset, 0 if passes else max(1, math.ceil(max(waits) / 1_000_000))


QUOTAS = {"burst": (20, 1), "sustained": (600, 60), "odd": (7, 3), "day": (1_000, 86_400), "one": (1, 60)}


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[int, list[tuple[Bucket, ...]]]]:
    """Batches of requests, each batch so many microseconds after the one before."""
    bucket = st.builds(
        lambda name, subject, cost: Bucket(name, subject, *QUOTAS[name], cost),
        st.sampled_from(sorted(QUOTAS)),
        st.sampled_from(["a", "b", "\x00\n", "é" * 90]),
        st.integers(0, 9),
    )
    request = st.lists(bucket, min_size=1, max_size=4, unique_by=lambda b: (b.policy, b.subject)).map(tuple)
    after_us = st.one_of(st.just(0), st.integers(0, 2_000_000), st.integers(0, 90_000 * 1_000_000))
    return draw(st.lists(st.tuples(after_us, st.lists(request, min_size=1, max_size=8)), max_size=12))


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    client = Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


def asked(redis: Redis, script: str, requests: list[tuple[Bucket, ...]]) -> list[Answer]:
    keys = [bucket.key for buckets in requests for bucket in buckets]
    words: list[int] = []
    for buckets in requests:
        words.append(len(buckets))
        for b in buckets:
            words += [b.emission_us, b.tolerance_us, b.cost]
    reply = redis.eval(script, len(keys), *keys, msgspec.msgpack.encode(words))
    flat, found = msgspec.msgpack.decode(reply), []
    for buckets in requests:
        n = len(buckets)
        row, flat = flat[: 2 * n + 2], flat[2 * n + 2 :]
        found.append((row[-2] == 1, row[0:-2:2], row[1:-2:2], 0 if row[-2] else max(1, math.ceil(row[-1] / 1e6))))
    assert not flat
    return found


def test_the_substituted_script_differs_in_its_clock_alone():
    assert SCRIPT.count(CLOCK) == SCRIPT.count(LIFE) == 1


@how(max_examples=150)
@given(story=stories())
def test_the_script_is_a_leaky_bucket(redis_url, story):
    client = Redis.from_url(redis_url)
    client.flushall()
    rooms: dict[tuple[str, str], Leaky] = {}
    now_us = START_US
    for after_us, requests in story:
        now_us += after_us
        client.mset({"clock:s": now_us // 1_000_000, "clock:us": now_us % 1_000_000})
        assert asked(client, SETTABLE, requests) == [of_model(rooms, buckets, now_us) for buckets in requests]
    client.close()


@given(story=stories())
def test_the_buckets_of_one_process_are_leaky_buckets(story):
    local, now_us = LocalBuckets(), START_US
    rooms: dict[tuple[str, str], Leaky] = {}
    for after_us, requests in story:
        now_us += after_us
        for buckets in requests:
            passes, remaining, reset, retry = of_model(rooms, buckets, now_us)
            found = local.take(buckets, now_us)
            assert (found.admitted, [*found.remaining], [*found.reset_s]) == (passes, remaining, reset)
            assert found.retry_after_s == retry
            assert found.degraded


def test_a_bucket_in_redis_lives_as_long_as_it_fills(redis):
    (answer,) = asked(redis, SCRIPT, [(Bucket("sustained", "k", 600, 60, 10),)])
    assert answer == (True, [590], [1], 0)
    assert 900 < redis.pttl("csx:gateway:gcra:sustained:k") <= 1_000  # ten units, one each 100 ms


def test_a_look_leaves_nothing_behind(redis):
    assert asked(redis, SCRIPT, [(Bucket("failures", "a", 10, 60, 0),)]) == [(True, [10], [0], 0)]
    assert redis.keys("*") == []


def test_a_refused_request_takes_of_none_of_its_buckets(redis):
    small, large = Bucket("one", "k", 1, 3_600), Bucket("day", "k", 1_000, 86_400)
    assert asked(redis, SCRIPT, [(small, large)] * 3) == [
        (True, [0, 999], [3_600, 87], 0),
        (False, [0, 999], [3_600, 87], 3_600),
        (False, [0, 999], [3_600, 87], 3_600),
    ]


def test_a_clock_that_went_back_locks_nobody_out_for_longer_than_a_window(redis):
    bucket = Bucket("sustained", "k", 600, 60)
    redis.set(bucket.key, "9" * 17)
    assert asked(redis, SCRIPT, [(bucket,)]) == [(False, [0], [60], 1)]


def test_a_stranger_in_the_key_counts_as_an_empty_bucket(redis):
    bucket = Bucket("sustained", "k", 600, 60)
    redis.set(bucket.key, "no number")
    assert asked(redis, SCRIPT, [(bucket,)]) == [(True, [599], [1], 0)]


def test_alone_each_of_three_replicas_admits_a_third():
    locals_ = [LocalBuckets(3) for _ in range(3)]
    bucket = (Bucket("day", "k", 1_000, 86_400),)
    admitted = [sum(local.take(bucket, START_US).admitted for _ in range(500)) for local in locals_]
    assert admitted == [333, 333, 333]


def test_a_quota_below_the_number_of_replicas_is_still_one():
    local = LocalBuckets(64)
    bucket = (Bucket("burst", "k", 20, 1),)
    assert [local.take(bucket, START_US).admitted for _ in range(2)] == [True, False]


def test_a_process_remembers_a_bounded_number_of_buckets():
    local = LocalBuckets(subjects=100)
    for n in range(10_000):
        local.take((Bucket("address", f"10.0.{n >> 8}.{n & 255}", 300, 60),), START_US)
    assert len(local._empty_until_us) == 100
