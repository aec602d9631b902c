"""Keys: made from chance, checked by hash, refused when forged, unknown or revoked."""

import hashlib
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from services.gateway.access.checking import is_loopback
from services.gateway.access.guard import Guard
from services.gateway.access.keyring import Keyring, bearer
from services.gateway.access.keys import PATTERN, AuthError, KeyRow, mint, well_formed
from services.gateway.access.principal import ANONYMOUS, NOBODY
from services.gateway.access.scopes import READING
from services.gateway.settings import Settings


class Shelf:
    def __init__(self, *rows: KeyRow) -> None:
        self.rows = {row.key_id: row for row in rows}
        self.asked = 0

    async def find_key(self, key_id: str) -> KeyRow | None:
        self.asked += 1
        return self.rows.get(key_id)


class Watch:
    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


def test_a_key_has_its_form_and_only_its_hash_is_kept():
    key = mint("desk")
    found = PATTERN.fullmatch(key.text)
    assert found
    assert key.row.digest == hashlib.sha256(found["secret"].encode()).digest()
    assert found["secret"] not in repr(key.row)
    assert key.row.scopes == ("read",)
    assert len({mint("x").text for _ in range(50)}) == 50


def test_an_unknown_scope_is_refused():
    with pytest.raises(ValueError, match="unknown scope everything"):
        mint("x", ["read", "everything"])


@given(st.integers(9, 67), st.sampled_from(string.digits + string.ascii_letters))
def test_any_changed_character_breaks_the_checksum(place, letter):
    text = _KEY.text
    changed = text[:place] + letter + text[place + 1 :]
    assert well_formed(changed) is (changed == text)


_KEY = mint("property")


async def test_a_good_key_is_known_and_looked_up_once():
    key, shelf = mint("desk"), Shelf()
    shelf.rows[key.row.key_id] = key.row
    ring = Keyring(shelf)
    who = await ring.check(key.text)
    await ring.check(key.text)
    assert (who.credential, who.subject, who.name, who.scopes) == (key.row.key_id, "local", "desk", READING)
    assert shelf.asked == 1


@pytest.mark.parametrize("text", ["", "csx_live_", "sk_live_abc", "x" * 10_000, "csx_live_\n", "csx_live_" + "é" * 60])
async def test_what_is_no_key_is_refused_without_a_look_up(text):
    shelf = Shelf()
    with pytest.raises(AuthError, match="no API key"):
        await Keyring(shelf).check(text)
    assert shelf.asked == 0


async def test_another_secret_under_a_known_id_is_refused_as_unknown():
    mine, forged = mint("desk"), mint("thief")
    shelf = Shelf(KeyRow(key_id=forged.row.key_id, name="desk", digest=mine.row.digest, scopes=("read",), created_ns=1))
    with pytest.raises(AuthError, match="not known"):
        await Keyring(shelf).check(forged.text)
    with pytest.raises(AuthError, match="not known"):
        await Keyring(Shelf()).check(mine.text)


async def test_a_revoked_key_opens_nothing_within_five_seconds():
    key, watch = mint("desk"), Watch()
    shelf = Shelf(key.row)
    ring = Keyring(shelf, monotonic=watch)
    who = await ring.check(key.text)
    shelf.rows[key.row.key_id] = KeyRow(
        key_id=key.row.key_id, name="desk", digest=key.row.digest, scopes=("read",), created_ns=1, revoked_ns=2
    )
    watch.s = 5.0
    with pytest.raises(AuthError, match="revoked"):
        await ring.check(key.text)
    assert await ring.renew(who) is None


async def test_the_bootstrap_key_needs_no_row():
    key, shelf = mint("csx up"), Shelf()
    ring = Keyring(shelf, bootstrap=key.text)
    who = await ring.check(key.text)
    assert who.name == "bootstrap"
    assert await ring.renew(who) == who
    assert shelf.asked == 0


async def test_nobody_is_let_in_unless_anonymous_reading_is_on():
    closed, open_ = Guard(Keyring(Shelf())), Guard(Keyring(Shelf()), anonymous=True)
    assert await closed.who({}) == NOBODY
    assert await closed.renew(ANONYMOUS) is None
    assert await open_.who({}) == ANONYMOUS
    assert await open_.renew(ANONYMOUS) == ANONYMOUS


def test_only_a_bearer_header_holds_a_key():
    assert bearer("Bearer abc") == "abc"
    assert bearer("bearer  abc ") == "abc"
    assert bearer("Basic abc") == ""


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"feed": "live"}, "CSX_GATEWAY_FEED must be sandbox"),
        ({"feed": "recorded"}, "CSX_GATEWAY_FEED must be sandbox"),
        ({"feed": "sandbox", "host": "0.0.0.0"}, "CSX_GATEWAY_HOST must be loopback"),
        ({"feed": "sandbox", "environment": "production"}, "CSX_ENVIRONMENT must be local"),
    ],
)
def test_anonymous_reading_is_refused_outside_the_local_sandbox(changes, fault):
    with pytest.raises(ValidationError, match=fault):
        Settings(anonymous=True, **changes)


def test_anonymous_reading_of_the_local_sandbox_is_allowed():
    assert Settings(anonymous=True, feed="sandbox").anonymous
    assert not Settings(feed="sandbox").anonymous


def test_a_bootstrap_key_is_local_and_well_formed():
    key = SecretStr(mint("csx up").text)
    assert Settings(bootstrap_key=key).bootstrap_key == key
    with pytest.raises(ValidationError, match="local environment"):
        Settings(bootstrap_key=key, environment="production")
    with pytest.raises(ValidationError, match="no API key"):
        Settings(bootstrap_key=SecretStr("secret"))


def test_hosts_and_origins_come_as_words_between_commas(monkeypatch):
    monkeypatch.setenv("CSX_GATEWAY_ALLOWED_HOSTS", "desk.example, api.example")
    assert Settings().hosts == {"desk.example", "api.example"}
    monkeypatch.delenv("CSX_GATEWAY_ALLOWED_HOSTS")
    assert Settings().hosts == {"127.0.0.1", "localhost", "::1"}
    assert Settings(host="0.0.0.0").hosts == frozenset()


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("desk.example", False),
        ("localhost.example", False),
    ],
)
def test_loopback(host, local):
    assert is_loopback(host) is local
