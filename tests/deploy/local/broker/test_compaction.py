"""Compaction: the newest record of each key stays, under its own offset; whatever is not understood stays whole."""

import asyncio
import tempfile
from pathlib import Path

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.broker.broker import Broker, tidy
from deploy.local.broker.codes import Code
from deploy.local.broker.compaction import run
from deploy.local.broker.configs import DEFAULTS, parse
from deploy.local.broker.log import Log
from deploy.local.broker.server import Server
from tests.deploy.local.broker.conftest import batch as build
from tests.deploy.local.broker.conftest import parsed as read

_NOW_S = 1_700_000_000.0
_COMPACT = parse(
    {
        **DEFAULTS,
        "cleanup.policy": "compact",
        "segment.bytes": "4096",
        "min.cleanable.dirty.ratio": "0",
        "delete.retention.ms": "60000",
    }
)


def _open(folder: Path, now_s: float = _NOW_S) -> Log:
    return Log(folder, _COMPACT, clock=lambda: now_s)


def _all(log: Log) -> list[tuple[int, bytes | None, bytes | None]]:
    found: list[tuple[int, bytes | None, bytes | None]] = []
    offset = log.start
    while data := log.read(offset, 2000, log.end):
        rows = [(record.offset, record.key, record.value) for record in read(data) if record.offset >= offset]
        if not rows:
            break
        found += rows
        offset = rows[-1][0] + 1
    return found


def _filler(log: Log) -> None:
    """Close the active segment."""
    log.append(build((b"filler", b"x" * 5000)))
    log.append(build((b"filler", b"x" * 5000)))


def test_the_newest_of_each_key_stays_with_its_offset(tmp_path):
    log = _open(tmp_path)
    for i in range(200):
        log.append(build((b"a", b"%d" % i + b"x" * 50), (b"b%d" % (i % 3), b"%d" % i)))
    end, size = log.end, log.size
    _filler(log)
    assert log.compact()
    rows = [row for row in _all(log) if row[1] != b"filler"]
    assert rows == [
        (395, b"b2", b"197"),
        (397, b"b0", b"198"),
        (398, b"a", b"199" + b"x" * 50),
        (399, b"b1", b"199"),
    ]
    assert log.end == end + 2
    assert log.size - 2 * 5100 < size / 10
    assert not log.compact(), "nothing changed since"


def test_a_restart_after_compaction_reads_the_same(tmp_path):
    log = _open(tmp_path)
    for i in range(300):
        log.append(build((b"%d" % (i % 7), b"%d" % i + b"x" * 100)))
    log.compact()
    before, end = _all(log), log.end
    log.close()
    again = _open(tmp_path)
    assert (_all(again), again.end) == (before, end)


def test_tombstones_stay_until_everybody_has_seen_them(tmp_path):
    log = _open(tmp_path)
    log.append(build((b"gone", b"v"), timestamp=int(_NOW_S * 1000)))
    log.append(build((b"gone", None), timestamp=int(_NOW_S * 1000)))
    _filler(log)
    log.compact()
    assert (1, b"gone", None) in _all(log)
    log.close()
    later = _open(tmp_path, _NOW_S + 61)
    _filler(later)
    later.compact()
    assert b"gone" not in [key for _, key, _ in _all(later)]


def test_what_cannot_be_decoded_stays_whole(tmp_path):
    log = _open(tmp_path)
    strange = bytearray(build((b"k", b"1"), (b"k", b"2")))
    strange[22] |= 4  # zstd, says the header
    log.append(bytes(strange))
    log.append(build((b"k", b"3")))
    _filler(log)
    log.compact()
    assert log.read(0, 1, log.end)[16:] == bytes(strange)[16:]  # before that: base offset, length, leader epoch


def test_transactional_batches_and_keyless_records_stay(tmp_path):
    log = _open(tmp_path)
    log.append(build((b"k", b"1"), producer=(7, 0, 0), transactional=True))
    log.end_transaction(7, 0, commit=True)
    log.append(build((None, b"keyless"), (b"k", b"2")))
    log.append(build((b"k", b"3")))
    _filler(log)
    log.compact()
    assert [row for row in _all(log) if row[1] != b"filler"] == [
        (0, b"k", b"1"),
        (2, None, b"keyless"),
        (4, b"k", b"3"),
    ]


def test_nothing_of_an_open_transaction_is_touched(tmp_path):
    log = _open(tmp_path)
    log.append(build((b"k", b"1"), producer=(7, 0, 0), transactional=True))
    _filler(log)
    assert not log.compact()


def test_a_producer_goes_on_after_compaction_and_restart(tmp_path):
    log = _open(tmp_path)
    log.append(build((b"k", b"1"), producer=(7, 0, 0)))
    log.append(build((b"j", b"1"), producer=(7, 0, 1)))
    log.append(build((b"j", b"2")))
    _filler(log)
    log.compact()
    log.close()
    again = _open(tmp_path)
    assert again.append(build((b"k", b"2"), producer=(7, 0, 2)))[0] is Code.NONE


def test_a_crash_in_the_middle_of_the_swap_loses_and_doubles_nothing(tmp_path):
    log = _open(tmp_path)
    for i in range(300):
        log.append(build((b"%d" % (i % 50), b"%d" % i + b"x" * 100)))
    plan = log.plan_compaction()
    assert plan is not None
    (piece, *others) = run(plan)
    assert len(piece.sources) > 1
    expected = dict.fromkeys(range(50))
    for i in range(300):
        expected[i % 50] = i
    log.close()
    piece.segment.rename(".log")  # and the process dies here: other pieces unnamed, other sources not deleted
    again = _open(tmp_path)
    rows = _all(again)
    assert [offset for offset, _, _ in rows] == sorted({offset for offset, _, _ in rows})
    newest = {int(key or b""): int((value or b"").rstrip(b"x")) for _, key, value in rows}
    assert newest == expected
    assert not list(tmp_path.glob("*.cleaned")) or others == []


def test_a_log_that_moved_on_refuses_the_result(tmp_path):
    log = _open(tmp_path)
    for i in range(100):
        log.append(build((b"k", b"%d" % i + b"x" * 200)))
    plan = log.plan_compaction()
    assert plan is not None
    cleaned = run(plan)
    log.delete_before(60)
    assert not log.adopt(plan, cleaned)
    assert not list(tmp_path.glob("*.cleaned"))
    assert [offset for offset, _, _ in _all(log)] == list(range(60, 100))


async def test_a_client_reads_over_the_holes_to_the_end(tmp_path):
    broker = Broker(tmp_path)
    broker.topics.create("t", 1, {"cleanup.policy": "compact", "segment.bytes": "4096"})
    server = Server(broker, host="127.0.0.1", port=0)
    await server.start()
    address = f"127.0.0.1:{broker.port}"
    producer = AIOKafkaProducer(bootstrap_servers=address, enable_idempotence=True)
    await producer.start()
    for i in range(300):
        await producer.send_and_wait("t", b"%d" % i + b"x" * 100, key=b"%d" % (i % 10))
    await producer.stop()
    (log,) = broker.topics.logs("t")
    before = log.size
    await tidy(log)
    assert log.size < before / 4
    consumer = AIOKafkaConsumer("t", bootstrap_servers=address, auto_offset_reset="earliest")
    await consumer.start()
    newest: dict[bytes, int] = {}
    part = TopicPartition("t", 0)
    async with asyncio.timeout(10):
        while await consumer.position(part) < 300:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                newest |= {record.key: int(record.value.rstrip(b"x")) for record in records}
    await consumer.stop()
    await server.stop()
    assert newest == {b"%d" % k: 290 + k for k in range(10)}


_ROWS = st.lists(
    st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.one_of(st.none(), st.binary(max_size=400)))),
    min_size=1,
    max_size=40,
)


@settings(max_examples=50, deadline=None)
@given(rows=_ROWS, compact_every=st.integers(1, 15), reopen=st.booleans(), compression=st.sampled_from([0, 1]))
def test_a_reader_from_the_start_ends_with_what_was_written_last(rows, compact_every, reopen, compression):
    with tempfile.TemporaryDirectory() as name:
        log = _open(Path(name))
        written: dict[int, tuple[bytes, bytes | None]] = {}
        for i, group in enumerate(rows):
            if group:
                _, base = log.append(build(*group, compression=compression, timestamp=int(_NOW_S * 1000)))
                written |= {base + k: row for k, row in enumerate(group)}
            if i % compact_every == 0:
                log.compact()
                if reopen:
                    log.close()
                    log = _open(Path(name))
        log.compact()
        found = _all(log)
        assert all(written[offset] == (key, value) for offset, key, value in found), "a record changed or moved"
        last = {key: value for _, (key, value) in sorted(written.items())}
        assert {key: value for _, key, value in found} == last
        log.close()
