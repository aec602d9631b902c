"""The socket: what is not spoken is refused in words, and noise ends its own connection only."""

import asyncio
import logging
import struct
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.local.broker.apis import APIS
from deploy.local.broker.broker import Broker
from deploy.local.broker.server import MAX_REQUEST_BYTES, Server

_PRODUCE = struct.pack(">hhih", 0, 8, 7, -1) + struct.pack(">hhi", -1, -1, 1000)


@pytest.fixture
async def server(tmp_path):
    """A broker in this loop, on a free port."""
    broker = Broker(tmp_path / "broker")
    broker.topics.create("t", 1, {})
    serving = Server(broker, host="127.0.0.1", port=0)
    await serving.start()
    yield broker
    await serving.stop()


async def _exchange(port: int, *frames: bytes, raw: bytes = b"") -> bytes:
    """Send framed requests, then `raw`; return everything answered until the broker closes or is quiet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"".join(struct.pack(">i", len(frame)) + frame for frame in frames) + raw)
        await writer.drain()
        writer.write_eof()
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def _api_versions(version: int = 0, correlation: int = 5) -> bytes:
    return struct.pack(">hhih", 18, version, correlation, -1)


async def _answers(port: int) -> bool:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    frame = _api_versions()
    writer.write(struct.pack(">i", len(frame)) + frame)
    size, correlation, code = struct.unpack(">iih", await asyncio.wait_for(reader.readexactly(10), 10))
    writer.close()
    await writer.wait_closed()
    return (correlation, code) == (5, 0) and size > 10


async def test_what_is_spoken_is_listed(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(struct.pack(">i", 10) + _api_versions())
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    body = await reader.readexactly(size)
    correlation, code, count = struct.unpack_from(">ihi", body)
    listed = {key: (first, last) for key, first, last in struct.iter_unpack(">hhh", body[10:])}
    assert (correlation, code, count) == (5, 0, len(listed))
    assert listed == {key: (api.first, api.last) for key, api in APIS.items()}
    writer.close()
    await writer.wait_closed()


async def test_a_newer_api_versions_is_answered_as_the_protocol_says(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    frame = _api_versions(version=4)
    writer.write(struct.pack(">i", len(frame)) + frame)
    _, correlation, code = struct.unpack(">iih", await reader.readexactly(10))
    assert (correlation, code) == (5, 35)
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (struct.pack(">hhih", 68, 0, 1, -1), "unknown API 68 version 0"),
        (struct.pack(">hhih", 1, 12, 1, -1), "Fetch version 12, versions 4 to 11 are spoken"),
        (struct.pack(">hhih", 0, 2, 1, -1), "Produce version 2, versions 3 to 8 are spoken"),
        (b"\x00\x12", "a request too short for its header"),
        (
            struct.pack(">hhih", 3, 1, 1, -1) + b"\x7f\xff\xff\xff",
            "Metadata version 1: malformed, an array of 2147483647",
        ),
        (struct.pack(">hhih", 3, 1, 1, -1) + b"\x00\x00\x00\x01\x00\x09abc", "Metadata version 1: malformed, 9 bytes"),
        (struct.pack(">hhih", 3, 1, 1, -1) + b"\x00\x00\x00\x01\x00\x01\xff", "Metadata version 1: malformed, 'utf-8'"),
    ],
)
async def test_what_is_not_spoken_ends_its_connection_with_one_line(server, caplog, frame, said):
    with caplog.at_level(logging.WARNING):
        assert await _exchange(server.port, frame) == b""
    (line,) = [record.getMessage() for record in caplog.records if record.name.startswith("deploy.local.broker")]
    assert line.startswith(f"refused from 127.0.0.1: {said}")
    assert await _answers(server.port)


async def test_a_request_above_the_limit_is_refused_before_it_is_read(server, caplog):
    with caplog.at_level(logging.WARNING):
        assert await _exchange(server.port, raw=struct.pack(">I", MAX_REQUEST_BYTES + 1)) == b""
    assert f"a request of {MAX_REQUEST_BYTES + 1} bytes" in caplog.text
    assert await _answers(server.port)


async def test_a_pipeline_is_answered_in_order(server):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    frames = [_api_versions(correlation=i) for i in range(500)]
    writer.write(b"".join(struct.pack(">i", len(frame)) + frame for frame in frames))
    seen = []
    for _ in frames:
        (size,) = struct.unpack(">i", await asyncio.wait_for(reader.readexactly(4), 10))
        seen.append(struct.unpack_from(">i", await reader.readexactly(size))[0])
    assert seen == list(range(500))
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("name", ["", ".", "..", "../up", "a/b", "a" * 250, "smile☺"])
async def test_a_name_that_could_leave_the_folder_is_no_topic(server, tmp_path, name):
    encoded = name.encode()
    body = struct.pack(">ih", 1, len(encoded)) + encoded + struct.pack(">ihii", 1, 1, 0, 0) + struct.pack(">ib", 0, 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    frame = struct.pack(">hhih", 19, 1, 1, -1) + body
    writer.write(struct.pack(">i", len(frame)) + frame)
    (size,) = struct.unpack(">i", await asyncio.wait_for(reader.readexactly(4), 10))
    answer = await reader.readexactly(size)
    assert struct.unpack_from(">h", answer, 8 + 2 + len(encoded)) == (17,)
    assert sorted(path.name for path in (tmp_path / "broker" / "logs").iterdir()) == ["t-0"]
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("setting", "value"), [("segment.jitter.ms", "1"), ("cleanup.policy", "shred"), ("retention.ms", "soon")]
)
async def test_settings_that_cannot_be_honoured_are_refused(server, setting, value):
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=f"127.0.0.1:{server.port}")
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic("x", 1, 1, topic_configs={setting: value})])
    finally:
        await admin.close()
    ((name, code, message),) = answer.topic_errors
    assert (name, code) == ("x", 40)
    assert setting in message
    assert "x" not in server.topics


async def test_settings_and_topics_are_there_after_a_restart(tmp_path):
    given = {"retention.ms": "60000", "cleanup.policy": "compact,delete"}
    broker = Broker(tmp_path)
    broker.topics.create("kept", 3, given)
    broker.topics.create("gone", 1, {})
    broker.topics.delete("gone")
    broker.close()
    again = Broker(tmp_path)
    assert list(again.topics) == ["kept"]
    assert given.items() <= again.topics.settings("kept").items()
    assert (again.topics.logs("kept")[2].config.compact, again.topics.overridden("kept")) == (True, frozenset(given))
    again.close()


_NOISE = st.one_of(
    st.binary(max_size=200),
    st.builds(
        lambda key, version, body: struct.pack(">hhih", key, version, 1, -1) + body,
        st.sampled_from(sorted(APIS)),
        st.integers(0, 11),
        st.binary(max_size=120),
    ),
)


class _Errors(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record):
        self.lines.append(self.format(record))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(frames=st.lists(_NOISE, min_size=1, max_size=6), tail=st.binary(max_size=20))
def test_noise_never_kills_the_broker(frames, tail):
    async def story() -> None:
        with TemporaryDirectory() as folder:
            broker = Broker(Path(folder))
            broker.topics.create("t", 1, {})
            serving = Server(broker, host="127.0.0.1", port=0)
            await serving.start()
            reader, writer = await asyncio.open_connection("127.0.0.1", broker.port)
            writer.write(b"".join(struct.pack(">i", len(frame)) + frame for frame in frames) + tail)
            writer.write_eof()
            with suppress(TimeoutError, ConnectionError):
                await asyncio.wait_for(reader.read(), 0.2)
            writer.close()
            assert await _answers(broker.port)
            await serving.stop()

    unexpected = _Errors()
    logging.getLogger("deploy.local.broker").addHandler(unexpected)
    try:
        asyncio.run(story())
    finally:
        logging.getLogger("deploy.local.broker").removeHandler(unexpected)
    assert unexpected.lines == [], "noise is refused as malformed, it does not fail inside a handler"
