"""A connection that is ours: messages in and out as RFC 6455 has them, whatever the peer does."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from services.gateway.stream.taking import MAX_TEXT, Wire


class Peer(asyncio.Transport):
    """The other end: keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.got = b""
        self.ended = ""

    def write(self, data):
        self.got += data

    def set_write_buffer_limits(self, high=None, low=None):
        assert high
        assert low is None

    def close(self):
        self.ended = self.ended or "closed"

    def abort(self):
        self.ended = "aborted"


def line() -> tuple[Wire, Peer, list[bytes]]:
    wire, peer = Wire(), Peer()
    heard: list[bytes] = []
    wire.connection_made(peer)
    wire.listen(heard.append, lambda: None, lambda: None)
    return wire, peer, heard


def sent(op: Opcode, data: bytes, *, fin: bool = True) -> bytes:
    return Frame(op, data, fin=fin).serialize(mask=True)


@given(
    st.lists(st.tuples(st.sampled_from((Opcode.TEXT, Opcode.BINARY)), st.binary(max_size=MAX_TEXT)), max_size=4),
    st.lists(st.integers(1, 5_000), max_size=30),
)
def test_messages_are_heard_however_they_are_cut(messages, cuts):
    wire, peer, heard = line()
    data, at = b"".join(sent(op, payload) for op, payload in messages), 0
    for cut in [*cuts, len(data)]:
        wire.data_received(data[at : at + cut])
        at += cut
    assert heard == [payload for _, payload in messages]
    assert not peer.got


def test_a_message_is_told_in_a_frame_that_rfc_6455_shows():
    wire, peer, _ = line()
    wire.write(b"Hello")
    assert peer.got == bytes.fromhex("810548656c6c6f")  # RFC 6455, 5.7
    wire.write(b"x" * 256)
    assert peer.got[7:11] == bytes.fromhex("817e0100")


def test_a_message_in_parts_is_whole_and_may_be_pinged_between():
    wire, peer, heard = line()
    wire.data_received(sent(Opcode.TEXT, b"ab", fin=False) + sent(Opcode.PING, b"!") + sent(Opcode.CONT, b"cd"))
    assert heard == [b"abcd"]
    assert peer.got == bytes.fromhex("8a0121")


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (Frame(Opcode.TEXT, b"unmasked").serialize(mask=False), 1002),
        (sent(Opcode.TEXT, b"x" * (MAX_TEXT + 1)), 1009),
        (sent(Opcode.TEXT, b"x" * MAX_TEXT, fin=False) + sent(Opcode.CONT, b"x"), 1009),
        (sent(Opcode.CONT, b"x"), 1002),
        (sent(Opcode.TEXT, b"x", fin=False) * 2, 1002),
        (bytes((0x83, 0x80, 0, 0, 0, 0)), 1002),
        (bytes((0xC1, 0x80, 0, 0, 0, 0)), 1002),
        (bytes((0x09, 0x80, 0, 0, 0, 0)), 1002),
        (bytes((0x81, 0xFF)) + b"\x7f" + b"\xff" * 7, 1009),
    ],
    ids=["unmasked", "long", "long in parts", "no begin", "begun twice", "no such", "reserved", "ping", "endless"],
)
async def test_what_breaks_the_protocol_is_answered_with_its_code_and_closed(data, code):
    wire, peer, heard = line()
    wire.data_received(data)
    assert heard == []
    assert peer.got[0] == 0x88
    assert int.from_bytes(peer.got[2:4], "big") == code
    assert peer.ended == "closed"
    said = len(peer.got)
    wire.write(b"late")
    wire.ping()
    wire.end(1001, "late")
    wire.data_received(sent(Opcode.TEXT, b"late"))
    assert (len(peer.got), heard) == (said, [])


async def test_a_goodbye_is_waited_for_and_closes_when_it_is_answered():
    wire, peer, _ = line()
    wire.end(1001, "drain")
    assert peer.got == bytes.fromhex("880703e9") + b"drain"
    assert peer.ended == ""
    wire.data_received(sent(Opcode.CLOSE, b"\x03\xe9"))
    assert peer.ended == "closed"


async def test_a_goodbye_of_the_peer_is_answered_with_its_code():
    wire, peer, heard = line()
    wire.data_received(sent(Opcode.CLOSE, b"\x0f\xa0bye") + sent(Opcode.TEXT, b"after"))
    assert peer.got[:4] == bytes.fromhex("88050fa0")
    assert peer.ended == "closed"
    assert heard == []


@given(st.text(max_size=300))
def test_a_long_reason_is_cut_to_what_a_control_frame_holds(reason):
    async def goodbye() -> None:
        wire, peer, _ = line()
        wire.end(4401, reason)
        assert 4 <= len(peer.got) <= 127
        assert reason.startswith(peer.got[4:].decode())

    asyncio.run(goodbye())
