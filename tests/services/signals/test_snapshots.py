"""Snapshots and journal entries: read back equal, damage is an error, and runs describe any interleaving."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signals.snapshots import (
    Snapshot,
    SnapshotError,
    describe,
    pack,
    pack_folded,
    unpack,
    unpack_folded,
)

SNAPSHOT = Snapshot(partition=3, offsets={"market.trades.v1": 17}, journal_offset=5, engine=b"\x00" * 5000, taken_ns=1)


def test_a_snapshot_is_read_back_equal_and_small():
    data = pack(SNAPSHOT)
    assert unpack(data) == SNAPSHOT
    assert len(data) < 300


@pytest.mark.parametrize("damage", [b"", b"nonsense", pack(SNAPSHOT)[:-4]])
def test_damage_is_an_error_with_its_reason(damage):
    with pytest.raises(SnapshotError, match="damaged"):
        unpack(damage)


def test_a_snapshot_of_another_scheme_is_refused():
    from msgspec.structs import replace

    with pytest.raises(SnapshotError, match="scheme 2"):
        unpack(pack(replace(SNAPSHOT, scheme=2)))


def test_a_damaged_journal_entry_is_an_error():
    with pytest.raises(SnapshotError, match="journal"):
        unpack_folded(b"\xc1")


@given(st.lists(st.sampled_from("abc"), max_size=50))
def test_the_runs_of_an_entry_spell_out_the_order(sequence):
    counters = dict.fromkeys("abc", 100)
    batch = []
    for topic in sequence:
        batch.append((topic, counters[topic]))
        counters[topic] += 1
    entry = unpack_folded(pack_folded(describe(7, batch)))
    next_offset = dict(zip(entry.topics, entry.starts, strict=True))
    replayed = []
    for index, count in entry.order:
        for _ in range(count):
            topic = entry.topics[index]
            replayed.append((topic, next_offset[topic]))
            next_offset[topic] += 1
    assert replayed == batch
    assert next_offset == dict(zip(entry.topics, entry.ends, strict=True))
