"""Whose address a request has: what proxies forward, and what only pretends to be forwarded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.perimeter.proxies import UNKNOWN, Proxies

INSIDE = ("10.0.0.0/24", "2001:db8:ffff::/48")


def forwarded(*lines: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", line.encode()) for line in lines]


@pytest.mark.parametrize(
    ("peer", "lines", "address"),
    [
        ("203.0.113.9", [], "203.0.113.9"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),  # a stranger may say what it likes
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["1.1.1.1, 198.51.100.1"], "198.51.100.1"),  # left of the first stranger: invented
        ("10.0.0.1", ["1.1.1.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:5555"], "198.51.100.1"),
        ("10.0.0.1", ["[2001:db8::7]:443"], "2001:db8::/64"),
        ("10.0.0.1", ["2001:db8::7"], "2001:db8::/64"),
        ("10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["198.51.100.1, nonsense"], "10.0.0.1"),  # nobody of ours wrote that
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("2001:db8:ffff::1", ["198.51.100.1"], "198.51.100.1"),
        ("fe80::1%eth0", [], "fe80::/64"),
        ("", [], UNKNOWN),
        ("unix:", ["198.51.100.1"], UNKNOWN),
    ],
)
def test_the_rightmost_stranger_is_the_client(peer, lines, address):
    assert Proxies(INSIDE).client(peer, forwarded(*lines)) == address


@given(st.lists(st.text(alphabet="0123456789abcdef.:, []%x", max_size=40), max_size=4))
def test_without_trusted_proxies_nothing_forwarded_counts(lines):
    assert Proxies().client("203.0.113.9", forwarded(*lines)) == "203.0.113.9"
    assert Proxies(INSIDE).client("203.0.113.9", forwarded(*lines)) == "203.0.113.9"


@given(st.ip_addresses(v=4).map(str), st.lists(st.ip_addresses().map(str), max_size=5))
def test_what_a_client_prepends_changes_nothing(client, invented):
    real = Proxies(INSIDE).client("10.0.0.1", forwarded(client))
    assert Proxies(INSIDE).client("10.0.0.1", forwarded(", ".join([*invented, client]))) in {
        real,
        # a client inside our own network is a proxy itself, and what it says is taken
        *([] if not client.startswith("10.0.0.") else [Proxies(INSIDE).client("10.0.0.1", forwarded(*invented))]),
    }
