"""Produce, Fetch, ListOffsets: requests in, answers out, logs changed."""

import asyncio
from collections.abc import Coroutine
from typing import Final, NamedTuple

from deploy.local.broker.broker import Broker
from deploy.local.broker.codes import Code
from deploy.local.broker.log import Log
from deploy.local.broker.offsets import Partition
from deploy.local.broker.quota import held
from deploy.local.broker.records import header
from deploy.local.broker.wire import EMPTY, NO_THROTTLE, Request, array, i16, i32, i64, string

_READ_COMMITTED: Final = 1
_LATEST: Final = -1
_EARLIEST: Final = -2
_NO_REPLICA: Final = i32(-1)
_ATTRIBUTES_LOW: Final = 22  # position of the low byte of a batch's attributes


def produce(broker: Broker, request: Request) -> bytes | Coroutine[None, None, bytes] | None:
    """Append batches (versions 3 to 8); with acks=0 there is no answer, over its quota a client waits for it."""
    request.optional_string()  # the transactional id: batches carry their producer themselves
    acks = request.i16()
    request.i32()

    def partition(topic: str) -> bytes:
        number, size = request.i32(), request.i32()
        data = request.data[request.at : request.at + max(size, 0)]
        request.skip(max(size, 0))
        log = broker.topics.log(topic, number)
        code, base = _append(broker, log, (topic, number), data)
        answer = i32(number) + i16(code) + i64(base) + i64(-1)
        if request.version >= 5:
            answer += i64(log.start if log else -1)
        if request.version >= 8:
            answer += EMPTY + string(None)
        return answer

    def of_topic() -> bytes:
        topic = request.string()
        return string(topic) + array(request.array(lambda: partition(topic)))

    answer = array(request.array(of_topic)) + NO_THROTTLE
    if acks == 0:
        return None
    if broker.quota is None:
        return answer
    wait_s = broker.quota.charge(request.client, len(request.data), asyncio.get_running_loop().time())
    return held(answer, wait_s) if wait_s else answer


def _append(broker: Broker, log: Log | None, partition: Partition, data: bytes) -> tuple[Code, int]:
    if log is None:
        return Code.UNKNOWN_TOPIC_OR_PARTITION, -1
    at, first = 0, -1
    while at < len(data):
        head = header(data, at)
        if head is None:
            magic_at = at + 16
            old = magic_at < len(data) and data[magic_at] < 2
            return (Code.UNSUPPORTED_FOR_MESSAGE_FORMAT if old else Code.CORRUPT_MESSAGE), -1
        batch = data if head.size == len(data) else data[at : at + head.size]
        if batch[_ATTRIBUTES_LOW] & 0x10:
            code = broker.transactions.check_batch(head.producer_id, head.producer_epoch, partition)
            if code:
                return code, -1
        code, base = log.append(batch)
        if code:
            return code, -1
        first = base if first < 0 else first
        at += head.size
    return (Code.NONE, first) if data else (Code.CORRUPT_MESSAGE, -1)


class _Wanted(NamedTuple):
    topic: str
    partition: int
    offset: int
    max_bytes: int


class _Fetch(NamedTuple):
    version: int
    max_wait_s: float
    min_bytes: int
    max_bytes: int
    committed_only: bool
    wanted: list[_Wanted]


def fetch(broker: Broker, request: Request) -> bytes | Coroutine[None, None, bytes]:
    """Read batches (versions 4 to 11), waiting for them if there are too few; no fetch sessions."""
    asked = _read_fetch(request)
    answer, size = _fetch_now(broker, asked)
    if size is None or size >= asked.min_bytes or asked.max_wait_s <= 0:
        return answer
    return _fetch_later(broker, asked)


def _read_fetch(request: Request) -> _Fetch:
    request.i32()
    max_wait_ms, min_bytes, max_bytes, isolation = request.i32(), request.i32(), request.i32(), request.i8()
    if request.version >= 7:
        request.skip(8)
    wanted: list[_Wanted] = []

    def partition(topic: str) -> None:
        number = request.i32()
        if request.version >= 9:
            request.skip(4)
        offset = request.i64()
        if request.version >= 5:
            request.skip(8)
        wanted.append(_Wanted(topic, number, offset, request.i32()))

    def of_topic() -> None:
        topic = request.string()
        request.array(lambda: partition(topic))

    request.array(of_topic)
    return _Fetch(request.version, max_wait_ms / 1000, min_bytes, max_bytes, isolation == _READ_COMMITTED, wanted)


def _fetch_now(broker: Broker, asked: _Fetch) -> tuple[bytes, int | None]:
    """Return the answer as of now and the bytes of data in it; None for those if a partition has an error."""
    total, failed = 0, False
    by_topic: dict[str, list[bytes]] = {}
    for want in asked.wanted:
        log = broker.topics.log(want.topic, want.partition)
        if log is None:
            code, data, failed = Code.UNKNOWN_TOPIC_OR_PARTITION, b"", True
        elif not log.start <= want.offset <= log.end:
            code, data, failed = Code.OFFSET_OUT_OF_RANGE, b"", True
        else:
            limit = log.stable_end if asked.committed_only else log.end
            room = min(want.max_bytes, asked.max_bytes - total)
            code, data = Code.NONE, log.read(want.offset, room, limit) if room > 0 else b""
            total += len(data)
        by_topic.setdefault(want.topic, []).append(_fetched(asked, want, log, code, data))
    session = i16(Code.NONE) + i32(0) if asked.version >= 7 else b""
    topics = array(string(topic) + array(answers) for topic, answers in by_topic.items())
    return NO_THROTTLE + session + topics, None if failed else total


def _fetched(asked: _Fetch, want: _Wanted, log: Log | None, code: Code, data: bytes) -> bytes:
    end, stable, start = (log.end, log.stable_end, log.start) if log else (-1, -1, -1)
    aborted = EMPTY
    if log and data and asked.committed_only and log.producers.aborted:
        aborted = array(
            i64(entry.producer_id) + i64(entry.first_offset)
            for entry in log.producers.aborted
            if entry.marker_offset >= want.offset
        )
    return b"".join(
        (
            i32(want.partition),
            i16(code),
            i64(end),
            i64(stable),
            i64(start) if asked.version >= 5 else b"",
            aborted,
            _NO_REPLICA if asked.version >= 11 else b"",
            i32(len(data)),
            data,
        )
    )


async def _fetch_later(broker: Broker, asked: _Fetch) -> bytes:
    loop = asyncio.get_running_loop()
    end = loop.time() + asked.max_wait_s
    while True:
        woken: asyncio.Future[bool] = loop.create_future()
        logs = [log for want in asked.wanted if (log := broker.topics.log(want.topic, want.partition)) is not None]
        for log in logs:
            log.waiters.add(woken)
        timer = loop.call_at(end, _resolve, woken)
        try:
            in_time = await woken
        finally:
            timer.cancel()
            for log in logs:
                log.waiters.discard(woken)
        answer, size = _fetch_now(broker, asked)
        if not in_time or size is None or size >= asked.min_bytes or loop.time() >= end:
            return answer


def _resolve(woken: "asyncio.Future[bool]") -> None:
    if not woken.done():
        woken.set_result(False)


def list_offsets(broker: Broker, request: Request) -> bytes:
    """Find offsets by time (versions 1 to 3)."""
    request.i32()
    committed_only = request.version >= 2 and request.i8() == _READ_COMMITTED

    def partition(topic: str) -> bytes:
        number, timestamp = request.i32(), request.i64()
        log = broker.topics.log(topic, number)
        if log is None:
            return i32(number) + i16(Code.UNKNOWN_TOPIC_OR_PARTITION) + i64(-1) + i64(-1)
        if timestamp == _LATEST:
            found = (log.stable_end if committed_only else log.end), -1
        else:
            found = (log.start, -1) if timestamp == _EARLIEST else log.offset_at(timestamp)
        return i32(number) + i16(Code.NONE) + i64(found[1]) + i64(found[0])

    def of_topic() -> bytes:
        topic = request.string()
        return string(topic) + array(request.array(lambda: partition(topic)))

    return (NO_THROTTLE if request.version >= 2 else b"") + array(request.array(of_topic))
