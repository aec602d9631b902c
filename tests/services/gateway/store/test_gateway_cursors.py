"""Cursors: what was written reads back in its own list alone; anything else is refused."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.store.cursor import CursorError, Cursors

STEPS = st.lists(
    st.integers(-(2**63) + 1, 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
    max_size=4,
)
RINGS = [Cursors(), Cursors([b"a" * 32]), Cursors([b"a" * 32, b"b" * 32])]


@pytest.mark.parametrize("ring", RINGS)
@given(at=STEPS)
def test_a_cursor_reads_back(ring, at):
    assert ring.read(ring.write("signals.list", *at), "signals.list", *map(type, at)).at == tuple(at)


@pytest.mark.parametrize("ring", RINGS)
@given(word=st.text(max_size=60))
def test_any_other_word_is_no_cursor(ring, word):
    with pytest.raises(CursorError, match="cursor"):
        ring.read(word, "signals.list")


def test_a_cursor_of_one_list_fits_no_other():
    ring = Cursors([b"s" * 32])
    with pytest.raises(CursorError, match="another version or list"):
        ring.read(ring.write("gaps.list", 1, "x"), "signals.list", int, str)


def test_the_signature_is_hmac_sha256_cut_to_twelve_bytes():
    secret = b"s" * 32
    word, signature = Cursors([secret]).write("signals.list", 7, "x").split(".")
    body = base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))
    assert body == b'[2,"signals.list",[7,"x"]]'
    key = hashlib.sha256(b"cryptosatx cursor\0" + secret).digest()
    wanted = hmac.new(key, body, hashlib.sha256).digest()[:12]
    assert signature == base64.urlsafe_b64encode(wanted).decode()


def test_while_secrets_are_rotated_both_are_known_and_then_the_old_one_is_not():
    old, new = b"o" * 32, b"n" * 32
    word = Cursors([old]).write("signals.list", 1, "x")
    assert Cursors([new, old]).read(word, "signals.list", int, str).at == (1, "x")
    with pytest.raises(CursorError):
        Cursors([new]).read(word, "signals.list", int, str)
    with pytest.raises(CursorError):
        Cursors().read(word, "signals.list", int, str)


@given(st.integers(0, 200), st.integers(1, 255))
def test_no_changed_byte_is_signed(position, bits):
    ring = Cursors([b"s" * 32])
    word = ring.write("signals.list", 1_723_118_400_000_000_000, "sig-0001").encode()
    position %= len(word)
    changed = word[:position] + bytes([word[position] ^ bits]) + word[position + 1 :]
    try:
        place = ring.read(changed.decode("latin-1"), "signals.list", int, str)
    except CursorError:
        return
    assert place.at == (1_723_118_400_000_000_000, "sig-0001")  # base64 has spare bits at its end


def test_what_no_list_of_ours_holds_is_refused():
    def raw(body: bytes) -> str:
        return base64.urlsafe_b64encode(body).decode().rstrip("=")

    assert Cursors().read(raw(b'[2,"l",[1]]'), "l", int).at == (1,)
    for body, steps in (
        (b'[2,"l",[9223372036854775808]]', (int,)),
        (b'[2,"l",["a\\u0000"]]', (str,)),
        (b'[1,"l",[1]]', (int,)),
        (b'[2,"l",[1]]', (str,)),
        (b'[2,"l",[1,2]]', (int,)),
        (b'[2,"l",[]]', (int,)),
    ):
        with pytest.raises(CursorError, match="another version"):
            Cursors().read(raw(body), "l", *steps)
    for body in (b'[2,"l",[1.5]]', b'[2,"l",[null]]', b'[2,"l",[true]]', b'{"kind":"l"}', b'[2,"l",["\\ud800"]]'):
        with pytest.raises(CursorError, match="no cursor"):
            Cursors().read(raw(body), "l", int)
