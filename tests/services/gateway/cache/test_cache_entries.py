"""A bounded memory of answers, against a list that is walked."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.cache.entries import OVERHEAD, Entries, entry

STEPS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.one_of(st.none(), st.integers(0, 900))), max_size=60)


@given(steps=STEPS)
def test_the_unused_go_first_and_the_limit_holds(steps):
    limit = 4_000
    entries = Entries(limit)
    used: list[tuple[str, int]] = []  # the latest use last
    for key, size in steps:
        if size is None:
            held = dict(used)
            found = entries.get(key)
            assert (found is not None) == (key in held)
            if key in held:
                used = [*((k, s) for k, s in used if k != key), (key, held[key])]
            continue
        used = [(k, s) for k, s in used if k != key]
        if size + OVERHEAD <= 1_000:
            used.append((key, size))
        gone = 0
        while sum(s + OVERHEAD for _, s in used) > limit:
            used.pop(0)
            gone += 1
        assert entries.put(key, entry(b"x" * size, 0.0)) == gone
        assert entries.bytes == sum(s + OVERHEAD for _, s in used) <= limit
        assert len(entries) == len(used)


def test_forgetting_all_says_how_many_there_were():
    entries = Entries(10_000)
    entries.put("a", entry(b"1", 0.0))
    entries.put("b", entry(b"2", 0.0))
    assert entries.clear() == 2
    assert (len(entries), entries.bytes, entries.get("a")) == (0, 0, None)


def test_an_etag_is_of_the_body_alone():
    digest = hashlib.blake2b(b"body", digest_size=12).hexdigest()
    assert entry(b"body", 1.0).etag == entry(b"body", 2.0).etag == f'"{digest}"'


def test_without_memory_nothing_is_kept():
    entries = Entries(0)
    assert entries.put("a", entry(b"", 0.0)) == 0
    assert entries.get("a") is None
