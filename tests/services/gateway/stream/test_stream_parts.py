"""The stream's pure parts: the tail has no holes, the index finds whom it concerns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.problems import Problem
from services.gateway.store.cursor import Cursors
from services.gateway.stream import cursors
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
