"""The stream's pure parts: the tail has no holes, the index finds whom it concerns, frames are what RFC 6455 says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame as TheirFrame
from websockets.frames import Opcode
from websockets.utils import accept_key

from services.gateway.problems import Problem
from services.gateway.store.cursor import Cursors
from services.gateway.stream import cursors
from services.gateway.stream.frames import Frame, FrameError, Op, Reader, accept, farewell, frame
from services.gateway.stream.index import Index, Topic
from services.gateway.stream.tail import Tail
from tests.services.gateway.stream.test_stream_client import kept


@given(st.integers(0, 50), st.integers(0, 40), st.integers(1, 12), st.integers(0, 100))
def test_a_tail_gives_what_follows_or_says_that_it_fell_out(start, count, size, position):
    tail = Tail(size)
    assert not tail.add(kept(start + 1))
    tail.begin(start)
    for number in range(start + 1, start + count + 1):
        assert not tail.add(kept(number + 1))
        assert tail.add(kept(number))
        assert not tail.add(kept(number))
    found = tail.since(position)
    wanted = [number for number in range(start + 1, start + count + 1) if number > position]
    if position >= start + count:
        assert found == ()
    elif position < start or len(wanted) > size:
        assert found is None
    else:
        assert [item.position for item in found or ()] == wanted
    assert tail.at_ns(start + count) == (start + count if count else None)


_NAMES = st.sampled_from(("", "a", "b"))
_TOPICS = st.builds(Topic, st.sampled_from(("price", "book")), _NAMES, _NAMES)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3), _TOPICS), max_size=40))
def test_the_index_finds_exactly_whom_a_message_concerns(steps):
    index: Index[int] = Index()
    plain: dict[int, set[Topic]] = {}
    for adds, client, topic in steps:
        if adds:
            index.add(topic, client)
            plain.setdefault(client, set()).add(topic)
        else:
            index.remove(topic, client)
            plain.setdefault(client, set()).discard(topic)
    for channel in ("price", "book"):
        assert index.wanted(channel) == any(t.channel == channel for topics in plain.values() for t in topics)
        for venue in ("a", "b", "c"):
            for symbol in ("a", "b", "c"):
                wanted = {
                    client
                    for client, topics in plain.items()
                    if any(t.channel == channel and t.wants(venue, symbol) for t in topics)
                }
                found = index.find(channel, venue, symbol)
                assert len(found) == len(set(found))
                assert set(found) == wanted
    assert index.topics() == set().union(*plain.values())


@given(
    st.lists(st.tuples(st.sampled_from((Opcode.TEXT, Opcode.BINARY)), st.binary(max_size=70_000)), max_size=4),
    st.lists(st.integers(1, 5_000), max_size=30),
)
def test_frames_of_another_library_are_read_however_they_are_cut(messages, cuts):
    wire = b"".join(TheirFrame(op, data).serialize(mask=True) for op, data in messages)
    reader, at = Reader(100_000), 0
    found: list[Frame] = []
    for cut in [*cuts, len(wire)]:
        found.extend(reader.feed(wire[at : at + cut]))
        at += cut
    assert [(one.op, one.payload) for one in found] == [(int(op), data) for op, data in messages]


@given(st.sampled_from((Op.TEXT, Op.PING, Op.PONG)), st.binary(max_size=125), st.binary(max_size=70_000))
def test_frames_of_ours_are_what_another_library_writes(op, short, long):
    payload = long if op is Op.TEXT else short
    assert frame(op, payload) == TheirFrame(Opcode(op), payload).serialize(mask=False)


def test_a_handshake_is_proven_as_the_rfc_says():
    assert accept(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455, 1.3
    assert accept(b"x" * 24).decode() == accept_key("x" * 24)
    assert farewell(1001, "drain") == TheirFrame(Opcode.CLOSE, b"\x03\xe9drain").serialize(mask=False)
    assert len(farewell(4401, "x" * 500)) == 2 + 125


def test_a_message_in_parts_is_whole_and_may_be_pinged_between():
    def part(op, data, *, fin):
        return TheirFrame(op, data, fin=fin).serialize(mask=True)

    wire = part(Opcode.TEXT, b"ab", fin=False) + part(Opcode.PING, b"!", fin=True) + part(Opcode.CONT, b"cd", fin=True)
    assert [(one.op, one.payload) for one in Reader(10).feed(wire)] == [(Op.PING, b"!"), (Op.TEXT, b"abcd")]


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (frame(Op.TEXT, b"unmasked"), 1002),
        (TheirFrame(Opcode.TEXT, b"x" * 11).serialize(mask=True), 1009),
        (TheirFrame(Opcode.TEXT, b"x" * 6, fin=False).serialize(mask=True) * 1
         + TheirFrame(Opcode.CONT, b"x" * 6).serialize(mask=True), 1009),
        (TheirFrame(Opcode.CONT, b"x").serialize(mask=True), 1002),
        (TheirFrame(Opcode.TEXT, b"x", fin=False).serialize(mask=True) * 2, 1002),
        (bytes((0x83, 0x80, 0, 0, 0, 0)), 1002),
        (bytes((0xC1, 0x80, 0, 0, 0, 0)), 1002),
        (bytes((0x09, 0x80, 0, 0, 0, 0)), 1002),
        (bytes((0x81, 0xFF)) + b"\xff" * 8, 1009),
    ],
    ids=["unmasked", "long", "long in parts", "no begin", "begun twice", "no such", "reserved", "ping", "endless"],
)  # fmt: skip
def test_what_breaks_the_protocol_is_refused_before_it_is_kept(wire, code):
    with pytest.raises(FrameError) as e:
        list(Reader(10).feed(wire))
    assert e.value.code == code


_SPOTS = st.dictionaries(
    st.sampled_from(("signals", "verdicts", "outcomes", "deliveries")),
    st.builds(cursors.Spot, st.integers(0, 2**62), st.integers(0, 2**62)),
    min_size=1,
)


@given(_SPOTS)
def test_a_cursor_of_the_stream_reads_back_and_under_another_secret_does_not(spots):
    one, other = Cursors([b"a" * 32]), Cursors([b"b" * 32, b"a" * 32])
    word = cursors.write(one, spots)
    assert cursors.read(one, word) == spots
    assert cursors.read(other, word) == spots  # while it is rotated
    with pytest.raises(Problem, match="cursor"):
        cursors.read(Cursors([b"c" * 32]), word)
    with pytest.raises(Problem, match="cursor"):
        cursors.read(one, word[:-1])


def test_a_cursor_of_another_list_is_none_of_the_stream():
    one = Cursors([b"a" * 32])
    for word in (
        one.write("signals.list", 1, "x"),
        one.write("stream", "signals", 1),
        one.write("stream", "price 1 1"),
        one.write("stream", "signals -1 1"),
        one.write("stream", "signals 1"),
        one.write("stream"),
    ):
        with pytest.raises(Problem, match="cursor"):
            cursors.read(one, word)
    with pytest.raises(Problem, match="not of the channel verdicts"):
        cursors.read_one(one, cursors.write(one, {"signals": cursors.Spot(1, 1)}), "verdicts")
