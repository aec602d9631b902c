"""What is recorded is what was heard, byte by byte; a kill costs the tail, a slow disk time, a full one is said."""

import asyncio
import errno
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from libs.common.runtime.errors import InputError
from services.ingest.recording.entries import Entry, Kind, pack, unpack
from services.ingest.recording.recorder import Recorder
from services.ingest.recording.recordings import Frame, FrameKind, read
from services.ingest.recording.volumes import CONNECTIONS, Index, Volumes, index_path, part_path

AWKWARD = [
    b'{"a":"\xc3\xbc"}',
    b"\xff\xfe\xc3\x28",
    b"",
    b"\n\r\n",
    b"\xed\xa0\x80",
    b'\\u0000"\x00',
    "\u2028💥".encode(),
]


def _index() -> Index:
    return Index(software="0", venue="tiny", symbols=("BTC-USDT",), options={})


def _volumes(out: Path, rotate_bytes: int = 1 << 30) -> Volumes:
    return Volumes(out, _index(), rotate_bytes=rotate_bytes, wall_ns=1, mono_ns=2)


def _frame(at: int, data: bytes, connection: int = 1) -> Entry:
    return Entry(kind=Kind.RECEIVE, wall_ns=10**18 + at, mono_ns=at, connection=connection, data=data)


@given(data=st.binary(), url=st.text(), kind=st.sampled_from(Kind), mono_ns=st.integers(0, 2**63))
def test_any_bytes_come_back_and_a_line_is_a_line(data, url, kind, mono_ns):
    entry = Entry(kind=kind, wall_ns=10**18, mono_ns=mono_ns, connection=3, url=url, status=418, cause="x", data=data)
    line = pack(entry)
    assert line.count(b"\n") == 1
    assert unpack(line) == entry


def test_a_line_is_readable_without_this_program(tmp_path):
    volumes = _volumes(tmp_path / "r.zst")
    volumes.write([_frame(5, b'{"a":1}'), _frame(6, b"\xff")], flush=False)
    volumes.close("time")
    text = zstandard.ZstdDecompressor().decompressobj().decompress((tmp_path / "r.zst").read_bytes())
    header, first, second = map(json.loads, text.splitlines())
    assert header == {
        "csx_recording": 1,
        "software": "0",
        "venue": "tiny",
        "symbols": ["BTC-USDT"],
        "part": 1,
        "wall_ns": 1,
        "mono_ns": 2,
    }
    assert first == {"kind": "recv", "wall_ns": 10**18 + 5, "mono_ns": 5, "conn": 1, "text": '{"a":1}'}
    assert second == {"kind": "recv", "wall_ns": 10**18 + 6, "mono_ns": 6, "conn": 1, "base64": "/w=="}


def test_every_kind_is_read_back(tmp_path):
    volumes = _volumes(tmp_path / "r.zst")
    more: dict[str, Any] = {"wall_ns": 10**18, "mono_ns": 7}
    volumes.write(
        [
            Entry(kind=Kind.ANSWER, url="https://x/y", data=b"[]", **more),
            Entry(kind=Kind.ANSWER, url="https://x/y", data=b"slow down", status=429, **more),
            Entry(kind=Kind.CONNECT, connection=2, url="wss://x", **more),
            Entry(kind=Kind.SEND, connection=2, data=b"hello", **more),
            Entry(kind=Kind.DISCONNECT, connection=2, cause="silent", **more),
        ],
        flush=False,
    )
    volumes.close("time")
    known: dict[str, Any] = {"received_ns": 10**18, "monotonic_ns": 7}
    assert list(read(tmp_path / "r.zst")) == [  # a refusal is in the file, but it is no answer
        Frame(kind=FrameKind.ANSWER, url="https://x/y", data=b"[]", connection="0", **known),
        Frame(kind=FrameKind.CONNECTED, url="wss://x", connection="2", **known),
        Frame(kind=FrameKind.SENT, data=b"hello", connection="2", **known),
        Frame(kind=FrameKind.ENDED, data=b"silent", connection="2", **known),
    ]


def test_a_kill_at_any_byte_costs_only_the_tail(tmp_path, caplog):
    out = tmp_path / "r.zst"
    volumes = _volumes(out)
    headed = out.stat().st_size
    volumes.write([_frame(at, data) for at, data in enumerate(AWKWARD)], flush=True)
    flushed = out.stat().st_size
    assert [frame.data for frame in read(out)] == AWKWARD  # nothing was closed
    volumes.write([_frame(at, b"x" * 99) for at in range(50)], flush=True)
    volumes.abandon("killed")
    whole = out.read_bytes()
    everything = AWKWARD + [b"x" * 99] * 50
    for cut in range(headed, len(whole)):
        out.write_bytes(whole[:cut])
        found = [frame.data for frame in read(out)]
        assert found == everything[: len(found)]
        assert len(found) >= (len(AWKWARD) if cut >= flushed else 0)
    assert "ends in the middle" in caplog.text
    out.write_bytes(whole[:-3] + b"\x00\x01\x02" + whole[:20])
    with pytest.raises(InputError, match=r"r\.zst"):  # damage is no cut
        list(read(out))


def test_files_are_rotated_by_size_and_the_index_stands_for_all(tmp_path):
    out = tmp_path / "btc.jsonl.zst"
    volumes = _volumes(out, rotate_bytes=2_000)
    data = [bytes([65 + at % 26]) * (at * 37 % 50) + str(at * 7919 % 10_007).encode() * 20 for at in range(600)]
    for at in range(0, 600, 50):
        volumes.write([_frame(at + one, data[at + one], 1 + one % 2) for one in range(50)], flush=True)
    volumes.close("signal")
    index = json.loads(index_path(out).read_bytes())
    names = [one["name"] for one in index["files"]]
    assert names[:2] == ["btc.jsonl.zst", "btc.0002.jsonl.zst"]
    assert len(names) > 2
    assert [frame.data for name in names for frame in read(tmp_path / name)] == data
    assert [frame.data for frame in read(index_path(out))] == data
    assert index["counts"] == {"connect": 0, "send": 0, "recv": 600, "rest": 0, "disconnect": 0}
    assert [(one["conn"], one["received"]) for one in index["connections"]] == [(1, 300), (2, 300)]
    assert (index["first_ns"], index["last_ns"], index["ended_by"]) == (10**18, 10**18 + 599, "signal")
    assert [one["bytes"] for one in index["files"]] == [(tmp_path / name).stat().st_size for name in names]
    assert sum(one["entries"] for one in index["files"]) == 600
    (tmp_path / names[1]).unlink()
    with pytest.raises(InputError, match=names[1]):
        list(read(index_path(out)))
    index_path(out).write_text('{"csx_index":1,"files":[{}]}')
    with pytest.raises(InputError, match="index"):
        list(read(index_path(out)))


def test_an_index_does_not_grow_with_the_days_that_a_venue_is_down(tmp_path):
    volumes = _volumes(tmp_path / "r.zst")
    ends = [
        Entry(kind=Kind.DISCONNECT, wall_ns=10**18, mono_ns=0, connection=1 + at, cause="unreachable")
        for at in range(CONNECTIONS + 7)
    ]
    volumes.write(ends, flush=False)
    volumes.close("time")
    assert volumes.index.connections_before == 7
    assert [one.number for one in volumes.index.connections] == list(range(8, CONNECTIONS + 8))
    assert volumes.index.counts["disconnect"] == CONNECTIONS + 7


def test_an_index_names_no_file_outside_its_folder(tmp_path):
    (tmp_path / "x.index.json").write_text('{"csx_index":1,"files":[{"name":"../../etc/passwd"}]}')
    with pytest.raises(InputError, match=str(tmp_path / "passwd")):
        list(read(tmp_path / "x.index.json"))


@pytest.mark.parametrize(
    ("out", "second"), [("a.zst", "a.0002.zst"), ("a", "a.0002"), ("a.b.jsonl.zst", "a.b.0002.jsonl.zst")]
)
def test_parts_are_numbered_before_the_ending(out, second):
    assert part_path(Path(out), 1) == Path(out)
    assert part_path(Path(out), 2) == Path(second)


class Disk:
    """Takes nothing until it is told to; stands for the files."""

    def __init__(self, fault: OSError | None = None) -> None:
        self.index = _index()
        self.free = threading.Event()
        self.taken: list[bytes] = []
        self.fault = fault

    def write(self, entries: list[Entry], *, flush: bool) -> None:
        if self.fault is not None:
            raise self.fault
        self.free.wait()
        self.taken += [entry.data for entry in entries]


async def test_a_slow_disk_makes_the_reader_wait_and_the_memory_is_bounded():
    disk, recorder = Disk(), Recorder(bound_bytes=10_000)
    writing = asyncio.create_task(recorder.run(disk))
    tap = recorder.tap()

    async def hear() -> None:
        for at in range(100):
            await tap.received(b"%04d" % at * 250, 10**18)

    hearing = asyncio.create_task(hear())
    try:
        async with asyncio.timeout(5):
            while not recorder.waited:  # noqa: ASYNC110 - a count tells
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert recorder.pending_bytes <= 10_000 + 1_200
        assert not hearing.done()
    finally:
        disk.free.set()
    await asyncio.wait_for(hearing, 10)
    recorder.close()
    await asyncio.wait_for(writing, 5)
    assert disk.taken == [b"%04d" % at * 250 for at in range(100)]
    assert recorder.waited > 1
    assert recorder.waited_s > 0
    assert disk.index.waited


async def test_a_disk_that_takes_nothing_ends_the_writing_and_holds_nobody():
    disk, recorder = Disk(OSError(errno.ENOSPC, "No space left on device")), Recorder(bound_bytes=10)
    tap = recorder.tap()
    hearing = asyncio.create_task(tap.received(b"x" * 100, 10**18))
    with pytest.raises(OSError, match="No space"):
        await recorder.run(disk)
    await asyncio.wait_for(hearing, 5)
    await asyncio.wait_for(tap.received(b"x" * 100, 10**18), 5)
    assert recorder.pending_bytes <= 400


async def test_a_key_is_never_written(tmp_path):
    recorder = Recorder(secret="s3cr3t")
    volumes = _volumes(tmp_path / "r.zst")
    tap = recorder.tap()
    tap.opened("wss://x/?key=s3cr3t")
    tap.sent(b'{"type":"hello","apikey":"s3cr3t"}')
    recorder.close()
    await recorder.run(volumes)
    volumes.close("time")
    opened, sent = read(tmp_path / "r.zst")
    assert (opened.url, sent.data) == ("wss://x/?key=***", b'{"type":"hello","apikey":"***"}')
    assert "s3cr3t" not in index_path(tmp_path / "r.zst").read_text()
