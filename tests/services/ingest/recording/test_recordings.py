"""Every recording format gives the frames and times that are written in it."""

import gzip
import json

import pytest
import zstandard

from libs.common.runtime.errors import InputError
from services.ingest.recording import recordings
from services.ingest.recording.recordings import Frame, FrameKind, read


def _read(tmp_path, text, name="recording"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return list(read(path))


def test_cryptofeed_1(tmp_path) -> None:
    text = (
        'configuration: {"l2_book":["BTC-USDT"]}\n'
        "wss://x.y/ws <-> 1652459224.5300605\n"
        'wss://x.y/ws <- 1652459225.5: {"op":"subscribe"}\n'
        '1652459225.5037491: {"a":1}\n'
        "https://x.y/api?z=1 -> 1652459226: [1]\n"
    )
    assert _read(tmp_path, text, "r.ws.1.0") == [
        Frame(
            received_ns=1_652_459_224_530_060_500,
            kind=FrameKind.CONNECTED,
            connection="r.ws.1.0",
            url="wss://x.y/ws",
        ),
        Frame(
            received_ns=1_652_459_225_500_000_000,
            kind=FrameKind.SENT,
            data=b'{"op":"subscribe"}',
            connection="r.ws.1.0",
            url="wss://x.y/ws",
        ),
        Frame(
            received_ns=1_652_459_225_503_749_100,
            kind=FrameKind.RECEIVED,
            data=b'{"a":1}',
            connection="r.ws.1.0",
        ),
        Frame(
            received_ns=1_652_459_226_000_000_000,
            kind=FrameKind.ANSWER,
            data=b"[1]",
            connection="r.ws.1.0",
            url="https://x.y/api?z=1",
        ),
    ]


def test_cryptofeed_2(tmp_path) -> None:
    lines = [
        {"t": "header", "format": 2},
        {"t": "http", "conn": "h.1", "ts": 1786310817.601629, "url": "https://x.y/z", "data": "{}"},
        {"t": "connect", "conn": "w.2", "ts": 1786310818.25, "addr": "wss://x.y"},
        {"t": "send", "conn": "w.2", "ts": 1786310818.5, "data": "s"},
        {"t": "recv", "conn": "w.2", "ts": 1786310819.5264041, "data": '{"e":"ü"}'},
        {"t": "something"},
    ]
    text = "\n".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) for line in lines) + "\n{broken\n"
    packed = zstandard.ZstdCompressor().compress(text.encode())
    frames = _read(tmp_path, packed, "r.jsonl.zst")
    assert [(frame.kind, frame.received_ns, frame.data, frame.connection) for frame in frames] == [
        (FrameKind.ANSWER, 1_786_310_817_601_629_000, b"{}", "h.1"),
        (FrameKind.CONNECTED, 1_786_310_818_250_000_000, b"", "w.2"),
        (FrameKind.SENT, 1_786_310_818_500_000_000, b"s", "w.2"),
        (FrameKind.RECEIVED, 1_786_310_819_526_404_100, '{"e":"ü"}'.encode(), "w.2"),
        (FrameKind.RECEIVED, 0, b"{broken", ""),
    ]


@pytest.mark.parametrize(
    ("stamp", "received_ns"),
    [
        ("1723161255030314667 ", 1_723_161_255_030_314_667),
        ("1680652700423575 ", 1_680_652_700_423_575_000),
        ("91951477042977\t", 0),  # a monotonic clock says nothing about the day
        ("1723161255030314667\t", 1_723_161_255_030_314_667),
        ("", 0),
        ("99999999999.5: ", 0),
    ],
)
def test_the_size_of_a_stamp_tells_its_unit(tmp_path, stamp, received_ns) -> None:
    (frame,) = _read(tmp_path, stamp + '{"stream":"s"}\r\n\n')
    assert (frame.received_ns, frame.data, frame.kind) == (received_ns, b'{"stream":"s"}', FrameKind.RECEIVED)


def test_a_bare_depth_answer_is_rest(tmp_path) -> None:
    first, second = _read(tmp_path, '1680652700599351 {"lastUpdateId": 7, "bids": []}\n{"lastUpdateId":8}')
    assert (first.kind, second.kind) == (FrameKind.ANSWER, FrameKind.ANSWER)


def test_packed_files_are_known_by_their_bytes(tmp_path) -> None:
    (frame,) = _read(tmp_path, gzip.compress(b'{"a":1}\n'), "no-suffix")
    assert frame.data == b'{"a":1}'


def test_a_line_without_end_does_not_fill_the_memory(tmp_path) -> None:
    long = b"x" * (recordings.LINE_LIMIT + 3_000_000)
    first, second = _read(tmp_path, long + b'\n{"a":1}\n')
    assert len(first.data) <= recordings.LINE_LIMIT + (1 << 20)
    assert second.data == b'{"a":1}'
    (only,) = _read(tmp_path, long)
    assert only.data.startswith(b"xxx")


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(b"a line\n" * 1000)[:-12],
        b"\x1f\x8b\x08 no gzip at all",
        b"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff",
        zstandard.ZstdCompressor().compress(b"a line\n" * 1000)[:-2],
    ],
    ids=["gzip cut off", "gzip in name alone", "zstandard in name alone", "zstandard cut off"],
)
def test_a_damaged_file_is_named(tmp_path, damaged) -> None:
    with pytest.raises(InputError, match="recording"):
        _read(tmp_path, damaged)


def test_a_missing_file_and_a_folder_are_named(tmp_path) -> None:
    for path in (tmp_path / "nothing", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            list(read(path))


def test_archives_of_several_frames_are_read_to_the_end(tmp_path) -> None:
    packed = b"".join(zstandard.ZstdCompressor().compress(line) for line in (b"1\n", b"2\n", b"3"))
    assert [frame.data for frame in _read(tmp_path, packed)] == [b"1", b"2", b"3"]
