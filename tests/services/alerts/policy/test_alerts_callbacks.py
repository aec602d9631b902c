"""Buttons' data: 64 characters that carry what was put in, and nothing that anybody changed."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.channels.channel import Button
from services.alerts.policy.callbacks import ANYBODY, Action, Press, Refused, derived_key, nonce_of, pack, unpack

S = 1_000_000_000
KEY, OLD, OTHER = b"k" * 32, b"o" * 32, b"x" * 32
NOW = 1_767_225_600

ids = st.integers(-(2**52), 2**52)
presses = st.builds(
    Press,
    action=st.sampled_from(Action),
    expires_s=st.integers(NOW + 1, 2**32 - 1),
    nonce=st.binary(min_size=6, max_size=6),
    subject=st.binary(min_size=16, max_size=16),
    argument=st.integers(0, 2**32 - 1),
)


def one(**changes):
    fields = {"action": Action.MUTE, "expires_s": NOW + 60, "nonce": b"123456", "subject": b"s" * 16}
    return Press(**{**fields, **changes})


@given(presses, ids, st.integers(1, 2**52))
def test_what_goes_in_comes_out(press, chat, user):
    for bound in (ANYBODY, user):
        data = pack(press, KEY, chat_id=chat, user_id=bound)
        assert len(Button("x", data).data) == 64
        assert unpack(data, (KEY,), chat_id=chat, user_id=user, now_ns=NOW * S) == press


@given(presses, ids, st.integers(1, 2**52), st.integers(0, 64 * 8 - 1))
def test_any_flipped_bit_is_refused(press, chat, user, bit):
    data = bytearray(pack(press, KEY, chat_id=chat).encode())
    data[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Refused):
        unpack(data.decode("latin-1"), (KEY,), chat_id=chat, user_id=user, now_ns=NOW * S)


@given(st.text(max_size=80))
def test_what_we_did_not_write_is_refused(data):
    with pytest.raises(Refused):
        unpack(data, (KEY, OLD), chat_id=1, user_id=1, now_ns=0)


@given(presses, ids, ids.filter(bool), st.integers(1, 2**40), st.integers(1, 2**40))
def test_a_button_counts_for_its_chat_and_its_user_alone(press, chat, apart, user, other):
    data = pack(press, KEY, chat_id=chat)
    with pytest.raises(Refused, match="not of this chat"):
        unpack(data, (KEY,), chat_id=chat + apart, user_id=user, now_ns=NOW * S)
    if other != user:
        data = pack(press, KEY, chat_id=chat, user_id=user)
        with pytest.raises(Refused, match="not for you"):
            unpack(data, (KEY,), chat_id=chat, user_id=other, now_ns=NOW * S)


def test_it_ends_on_the_second():
    data = pack(one(), KEY, chat_id=5)
    assert unpack(data, (KEY,), chat_id=5, user_id=1, now_ns=(NOW + 60) * S - 1).argument == 0
    with pytest.raises(Refused, match="too old"):
        unpack(data, (KEY,), chat_id=5, user_id=1, now_ns=(NOW + 60) * S)


def test_while_keys_rotate_both_count():
    data = pack(one(), OLD, chat_id=5)
    assert unpack(data, (KEY, OLD), chat_id=5, user_id=1, now_ns=NOW * S) == one()
    with pytest.raises(Refused):
        unpack(data, (KEY,), chat_id=5, user_id=1, now_ns=NOW * S)


def test_the_layout_is_the_one_that_is_written_down():
    data = base64.urlsafe_b64decode(pack(one(argument=7), KEY, chat_id=-5, user_id=9))
    fields = bytes([1, 3]) + (NOW + 60).to_bytes(4, "big") + b"123456" + b"s" * 16 + (7).to_bytes(4, "big")
    bound = (-5).to_bytes(8, "big", signed=True) + (9).to_bytes(8, "big")
    assert data[:32] == fields
    assert data[32:] == hmac.new(KEY, b"csx callback data 1" + fields + bound, hashlib.sha256).digest()[:16]


def test_another_version_is_refused_though_it_is_signed():
    fields = bytes([2]) + base64.urlsafe_b64decode(pack(one(), KEY, chat_id=5))[1:32]
    bound = (5).to_bytes(8, "big") + bytes(8)
    mac = hmac.new(KEY, b"csx callback data 1" + fields + bound, hashlib.sha256).digest()[:16]
    with pytest.raises(Refused, match="another version"):
        unpack(base64.urlsafe_b64encode(fields + mac).decode(), (KEY,), chat_id=5, user_id=1, now_ns=NOW * S)


@pytest.mark.parametrize("changes", [{"nonce": b"12345"}, {"subject": b"s" * 17}])
def test_fields_have_their_lengths(changes):
    with pytest.raises(ValueError, match="6 bytes"):
        pack(one(**changes), KEY, chat_id=5)


def test_keys_and_nonces_are_the_same_everywhere_and_differ_from_each_other():
    assert derived_key("7:token") == hmac.new(b"7:token", b"csx callback data 1", hashlib.sha256).digest()
    assert derived_key("7:token") != derived_key("7:other")
    assert nonce_of(KEY, "a") == nonce_of(KEY, "a")
    assert len({nonce_of(KEY, "a"), nonce_of(KEY, "b"), nonce_of(OTHER, "a")}) == 3
