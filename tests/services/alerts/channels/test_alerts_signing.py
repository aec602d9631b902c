"""The signature of a webhook, against RFC 2104 by hand and vectors that a receiver can copy."""

import hashlib
import hmac
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.channels.signing import WINDOW_S, header, sign, verify

OLD, NEW = b"an old secret of 24 byte", b"a new secret of 24 bytes"
BODY = b'{"delivery_id":"d1","text":"BUY"}'


def _by_hand(secret: bytes, text: bytes) -> str:
    """HMAC as RFC 2104 writes it, without python's hmac."""
    key = secret.ljust(64, b"\0")
    inner = hashlib.sha256(bytes(one ^ 0x36 for one in key) + text).digest()
    return hashlib.sha256(bytes(one ^ 0x5C for one in key) + inner).hexdigest()


def test_the_documented_vector():
    text = b"1700000000.d1." + BODY
    expected = hmac.new(NEW, text, "sha256").hexdigest()
    assert expected == _by_hand(NEW, text)
    assert sign(NEW, "1700000000", "d1", BODY) == expected
    assert header([NEW, OLD], "1700000000", "d1", BODY) == f"v1={expected},v1={_by_hand(OLD, text)}"


def _asked(secrets=(NEW,), *, signature=None, **changes):
    given = {"timestamp": "1700000000", "delivery_id": "d1", "body": BODY, "now_s": 1_700_000_000.0, **changes}
    return verify(
        secrets, signature=header([NEW, OLD], "1700000000", "d1", BODY) if signature is None else signature, **given
    )


def test_a_receiver_with_either_secret_takes_it_while_they_rotate():
    assert _asked((NEW,))
    assert _asked((OLD,))
    assert _asked((b"of somebody else, 24 byte", OLD))
    assert not _asked((b"of somebody else, 24 byte",))
    assert not _asked(())


@pytest.mark.parametrize(
    "changes",
    [
        {"body": BODY + b" "},
        {"body": b""},
        {"delivery_id": "d2"},
        {"timestamp": "1700000001"},
        {"delivery_id": "d1.x"},
        {"delivery_id": ""},
        {"timestamp": ""},
        {"timestamp": "-1700000000"},
        {"timestamp": "1700000000.0"},
        {"timestamp": "\u0661\u0667\u0660\u0660\u0660\u0660\u0660\u0660\u0660\u0660"},
        {"timestamp": "9" * 5000},
        {"signature": ""},
        {"signature": "v1="},
        {"signature": "v2=" + sign(NEW, "1700000000", "d1", BODY)},
        {"signature": sign(NEW, "1700000000", "d1", BODY)},
        {"signature": "v1=" + sign(NEW, "1700000000", "d1", BODY)[:-1]},
        {"signature": "v1=" + sign(NEW, "1700000000", "d1", BODY).upper()},
        {"signature": "v1=\u00e9"},
        {"signature": ",".join(["v1=00"] * 100_000)},
    ],
)
def test_anything_else_is_refused(changes):
    assert not _asked(**changes)


def test_an_old_one_cannot_be_played_again():
    assert _asked(now_s=1_700_000_000 + WINDOW_S)
    assert not _asked(now_s=1_700_000_000 + WINDOW_S + 1)
    assert _asked(now_s=1_700_000_000 - WINDOW_S)
    assert not _asked(now_s=1_700_000_000 - WINDOW_S - 1)


def test_the_receiver_s_code_of_the_documentation_agrees():
    page = (Path(__file__).resolve().parents[4] / "docs" / "alerts.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import hashlib, hmac.*?)```", page, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    assert f"`v1={sign(NEW, '1700000000', 'd1', BODY)}`" in page
    given = {"X-Csx-Timestamp": "1700000000", "X-Csx-Id": "d1"}
    given["X-Csx-Signature"] = header([NEW, OLD], "1700000000", "d1", BODY)
    for secret in (NEW, OLD):
        assert found["genuine"](secret, given, BODY, 1_700_000_299.0)
    assert not found["genuine"](b"of somebody else, 24 byte", given, BODY, 1_700_000_000.0)
    assert not found["genuine"](NEW, given, BODY + b" ", 1_700_000_000.0)
    assert not found["genuine"](NEW, given, BODY, 1_700_000_301.0)
    assert not found["genuine"](NEW, given | {"X-Csx-Id": "d1.x"}, BODY, 1_700_000_000.0)
    assert not found["genuine"](NEW, given | {"X-Csx-Signature": "v1=\u00e9"}, BODY, 1_700_000_000.0)


@pytest.mark.parametrize(("timestamp", "delivery_id"), [("1.2", "d"), ("1", "a.b"), ("1", ""), ("", "d"), ("1", "a\n")])
def test_what_would_read_two_ways_is_not_signed(timestamp, delivery_id):
    with pytest.raises(ValueError, match="decimal"):
        sign(NEW, timestamp, delivery_id, b"")


@given(st.binary(max_size=200), st.binary(min_size=1, max_size=64))
def test_every_body_has_the_signature_of_the_rfc(body, secret):
    assert sign(secret, "1", "a", body) == _by_hand(secret, b"1.a." + body)
