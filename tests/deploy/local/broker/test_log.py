"""One partition: order, recovery, retention, idempotence; nothing acknowledged is lost but what retention allows."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.local.broker.codes import Code
from deploy.local.broker.configs import DEFAULTS, parse
from deploy.local.broker.log import Log
from tests.deploy.local.broker.conftest import batch as build
from tests.deploy.local.broker.conftest import parsed as read

_SMALL = parse({**DEFAULTS, "segment.bytes": "4096", "retention.ms": "-1"})


def _all(log: Log, max_bytes: int = 1 << 20) -> list[tuple[int, bytes]]:
    """Return offset and value of every record, read as a consumer does, in steps."""
    found: list[tuple[int, bytes]] = []
    offset = log.start
    while data := log.read(offset, max_bytes, log.end):
        rows = [(record.offset, record.value) for record in read(data) if record.offset >= offset]
        assert rows, "a read must bring something new"
        found += rows
        offset = rows[-1][0] + 1
    return found


def test_offsets_run_on_over_segments(tmp_path, batch):
    log = Log(tmp_path, _SMALL)
    bases = [log.append(batch(*[(None, b"x" * 100)] * 10)) for _ in range(20)]
    assert bases == [(Code.NONE, 10 * i) for i in range(20)]
    assert len(list(tmp_path.glob("*.log"))) > 3
    for max_bytes in (1, 3000, 1 << 20):
        assert [offset for offset, _ in _all(log, max_bytes)] == list(range(200))


def test_a_read_stops_below_the_limit_and_above_the_budget(tmp_path, batch):
    log = Log(tmp_path, _SMALL)
    size = len(batch((None, b"v")))
    for _ in range(5):
        log.append(batch((None, b"v")))
    assert len(log.read(0, 1, 5)) == size
    assert len(log.read(0, 3 * size, 5)) == 3 * size
    assert len(log.read(0, 3 * size + 1, 5)) == 3 * size
    assert len(log.read(1, 1 << 20, 3)) == 2 * size
    assert log.read(3, 1 << 20, 3) == b""


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda data: data[:-1], Code.CORRUPT_MESSAGE),
        (lambda data: data + b"\x00", Code.CORRUPT_MESSAGE),
        (lambda data: data[:57] + b"\x00\x00\x00\x09" + data[61:], Code.CORRUPT_MESSAGE),
        (lambda data: data[:21] + b"\x00\x20" + data[23:], Code.INVALID_RECORD),
        (lambda _: b"", Code.CORRUPT_MESSAGE),
    ],
)
def test_what_is_no_batch_of_a_client_is_refused(tmp_path, batch, damage, code):
    log = Log(tmp_path, _SMALL)
    assert log.append(damage(batch((None, b"v")))) == (code, -1)
    assert log.end == 0


def test_a_batch_above_the_topics_limit_is_refused(tmp_path, batch, topic_config):
    log = Log(tmp_path, topic_config(max_message_bytes="1000"))
    assert log.append(batch((None, b"x" * 1000)))[0] is Code.MESSAGE_TOO_LARGE


def test_a_torn_tail_is_cut_and_the_log_goes_on(tmp_path, batch):
    log = Log(tmp_path, _SMALL)
    log.append(batch((None, b"kept")))
    log.append(batch((None, b"torn")))
    log.close()
    (path,) = tmp_path.glob("*.log")
    path.write_bytes(path.read_bytes()[:-3])
    again = Log(tmp_path, _SMALL)
    assert again.torn_bytes == len(batch((None, b"torn"))) - 3
    assert again.append(batch((None, b"next"))) == (Code.NONE, 1)
    assert _all(again) == [(0, b"kept"), (1, b"next")]


def test_a_damaged_last_batch_is_cut(tmp_path, batch):
    log = Log(tmp_path, _SMALL)
    log.append(batch((None, b"kept")))
    log.append(batch((None, b"damaged")))
    log.close()
    (path,) = tmp_path.glob("*.log")
    data = bytearray(path.read_bytes())
    data[-2] ^= 1
    path.write_bytes(data)
    assert _all(Log(tmp_path, _SMALL)) == [(0, b"kept")]


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=25), cut=st.floats(0, 1), again=st.integers(0, 3))
def test_a_cut_anywhere_loses_no_batch_before_it(sizes, cut, again):
    """Whatever byte the last file ends at, every whole batch before it is there, and the log goes on after them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = Log(folder, _SMALL)
        written = []
        for i, count in enumerate(sizes):
            data = build(*[(None, b"%d.%d" % (i, k) + b"-" * 90) for k in range(count)])
            code, base = log.append(data)
            assert not code
            written.append((base, count, len(data)))
        log.close()
        last = max(folder.glob("*.log"))
        at = int(cut * last.stat().st_size)
        last.write_bytes(last.read_bytes()[:at])
        expected, position = 0, 0
        for base, count, size in written:
            if base < int(last.stem):
                expected = base + count
                continue
            position += size
            if position > at:
                break
            expected = base + count
        reopened = Log(folder, _SMALL)
        assert reopened.end == expected
        for k in range(again):
            assert reopened.append(build((None, b"again"))) == (Code.NONE, expected + k)
        assert [offset for offset, _ in _all(reopened)] == list(range(expected + again))
        reopened.close()


def test_retention_by_size_keeps_whole_segments(tmp_path, batch, topic_config):
    log = Log(tmp_path, topic_config(segment_bytes="4096", retention_bytes="10000", retention_ms="-1"))
    for _ in range(40):
        log.append(batch((None, b"x" * 1000)))
    assert 10_000 <= log.size < 10_000 + 2 * 4096
    assert log.start > 0
    assert [offset for offset, _ in _all(log)] == list(range(log.start, 40))


def test_retention_by_time_empties_even_the_active_segment_and_keeps_the_end(tmp_path, batch, topic_config):
    now_s = 1_700_000_000.0
    config = topic_config(retention_ms="60000")
    log = Log(tmp_path, config, clock=lambda: now_s)
    log.append(batch((None, b"old"), timestamp=1_700_000_000_000))
    now_s += 59
    log.retain()
    assert (log.start, log.end) == (0, 1)
    now_s += 2
    log.retain()
    assert (log.start, log.end) == (1, 1)
    log.close()
    again = Log(tmp_path, config, clock=lambda: now_s)
    assert (again.start, again.end) == (1, 1)
    assert again.append(batch((None, b"new")))[1] == 1


def test_a_compacted_topic_is_not_retained_by_time(tmp_path, batch, topic_config):
    log = Log(tmp_path, topic_config(cleanup_policy="compact", retention_ms="1"))
    log.append(batch((b"k", b"v")))
    log.retain()
    assert (log.start, log.end) == (0, 1)


def test_deleted_records_stay_deleted(tmp_path, batch):
    log = Log(tmp_path, _SMALL)
    for _ in range(100):
        log.append(batch((None, b"x" * 200)))
    log.delete_before(50)
    assert len(_all(log)) == 50
    log.close()
    assert Log(tmp_path, _SMALL).start == 50


def test_offsets_by_time(tmp_path, batch):
    log = Log(tmp_path, _SMALL)
    for i in range(100):
        log.append(batch((None, b"x" * 200), (None, b"y"), timestamp=1000 * i))
    assert log.offset_at(50_500) == (102, 51_000)
    assert log.offset_at(50_001) == (101, 50_001)
    assert log.offset_at(0) == (0, 0)
    assert log.offset_at(99_002) == (-1, -1)


def test_a_repeated_batch_is_acknowledged_and_not_written_even_after_a_restart(tmp_path, batch):
    log = Log(tmp_path, _SMALL)
    data = [batch((None, b"%d" % i), producer=(7, 0, i)) for i in range(3)]
    for one in data:
        log.append(one)
    assert log.append(data[1]) == (Code.NONE, 1)
    log.close()
    again = Log(tmp_path, _SMALL)
    assert again.append(data[2]) == (Code.NONE, 2)
    assert again.end == 3


def test_a_gap_in_the_sequence_and_an_old_epoch_are_refused(tmp_path, batch):
    log = Log(tmp_path, _SMALL)
    log.append(batch((None, b"0"), producer=(7, 1, 0)))
    assert log.append(batch((None, b"2"), producer=(7, 1, 2)))[0] is Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(batch((None, b"1"), producer=(7, 0, 1)))[0] is Code.INVALID_PRODUCER_EPOCH
    assert log.append(batch((None, b"5"), producer=(7, 2, 5)))[0] is Code.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert log.append(batch((None, b"0"), producer=(7, 2, 0))) == (Code.NONE, 1)


def test_transactions_bound_what_is_stable_and_are_remembered(tmp_path, batch):
    log = Log(tmp_path, _SMALL)
    log.append(batch((None, b"plain")))
    log.append(batch((None, b"tx"), producer=(7, 0, 0), transactional=True))
    log.append(batch((None, b"plain")))
    assert (log.stable_end, log.end) == (1, 3)
    log.close()
    again = Log(tmp_path, _SMALL)
    assert again.stable_end == 1
    again.end_transaction(7, 0, commit=False)
    assert (again.stable_end, again.end) == (4, 4)
    again.close()
    assert [tuple(entry) for entry in Log(tmp_path, _SMALL).producers.aborted] == [(7, 1, 3)]


def test_a_full_disk_is_an_error_and_leaves_no_half_batch(tmp_path, batch, monkeypatch):
    import os

    log = Log(tmp_path, _SMALL)
    log.append(batch((None, b"kept")))
    monkeypatch.setattr(os, "writev", lambda fd, parts: os.write(fd, b"half"))
    assert log.append(batch((None, b"lost"))) == (Code.KAFKA_STORAGE_ERROR, -1)
    monkeypatch.undo()
    assert log.append(batch((None, b"next"))) == (Code.NONE, 1)
    assert _all(log) == [(0, b"kept"), (1, b"next")]
