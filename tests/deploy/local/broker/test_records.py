"""Batches: checksums against the RFC, records and rebuilt batches against aiokafka's own reader."""

from contextlib import suppress

import pytest
from aiokafka.record import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.broker.records import (
    UndecodableError,
    commits,
    crc32c,
    header,
    intact,
    marker,
    rebuild,
    records,
    scan,
)


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        (b"\x00" * 32, 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksums_of_rfc_3720(data, checksum):
    assert crc32c(data) == checksum


@pytest.mark.parametrize("compression", [0, 1])
def test_records_are_read_as_aiokafka_reads_them(batch, parsed, compression):
    data = batch((b"a", b"1"), (None, b"x" * 300), (b"c", None), (b"", b""), compression=compression)
    ours = [(record.offset, record.timestamp, record.key, record.tombstone) for record in records(data)]
    theirs = [(record.offset, record.timestamp, record.key, record.value is None) for record in parsed(data)]
    assert ours == theirs
    assert intact(data)


@pytest.mark.parametrize("compression", [0, 1])
def test_a_rebuilt_batch_keeps_offsets_times_and_producer(batch, parsed, compression):
    data = batch((b"a", b"1"), (b"b", b"2"), (b"c", b"3"), producer=(7, 1, 40), compression=compression)
    head = header(data)
    assert head is not None
    smaller = rebuild(head, [record for record in records(data) if record.key != b"b"])
    assert [(r.offset, r.key, r.value) for r in parsed(smaller)] == [(0, b"a", b"1"), (2, b"c", b"3")]
    changed = header(smaller)
    assert changed is not None
    assert (changed.last_offset, changed.producer_id, changed.base_sequence) == (2, 7, 40)
    assert changed.max_timestamp == head.max_timestamp


@pytest.mark.parametrize("commit", [True, False])
def test_a_marker_is_a_control_batch_to_aiokafka(commit):
    data = marker(7, 3, commit=commit, now_ms=1_700_000_000_000)
    read = MemoryRecords(data).next_batch()
    assert read.validate_crc()
    assert (read.is_control_batch, read.is_transactional, read.producer_id) == (True, True, 7)
    (record,) = list(read)
    assert record.key == (b"\x00\x00\x00\x01" if commit else b"\x00\x00\x00\x00")
    assert commits(data) is commit


def test_an_unknown_codec_is_said_not_guessed(batch):
    data = bytearray(batch((b"a", b"1")))
    data[22] |= 4
    with pytest.raises(UndecodableError):
        records(bytes(data))


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 255))
def test_damage_never_raises_anything_else(noise, at, value):
    assert list(scan(noise)) == [] or len(noise) >= 61
    data = bytearray(marker(1, 0, commit=True, now_ms=0) + noise)
    data[at % len(data)] = value
    for position, head in scan(data):
        with suppress(UndecodableError):
            records(bytes(data[position : position + head.size]))
