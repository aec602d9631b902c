"""S2: secrets lay in files of the tree and could not be changed; ours come from files or environment, and rotate."""

import pytest

from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import load, secrets_of
from services.gateway.access.signing import SigningKeys, new_key
from services.gateway.access.tokens import Tokens
from services.gateway.idempotency import PostgresLedger
from services.gateway.sealing import Seal
from services.gateway.settings import Settings
from services.gateway.store.cursor import CursorError, Cursors
from tests.services.gateway.holding import holder

OLD, NEW = "o" * 32, "n" * 32
KEYS = ("CSX_GATEWAY_SECRET", "CSX_GATEWAY_SIGNING_KEYS", "CSX_POSTGRES_DSN", "CSX_REDIS_URL")


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    import os

    for key in [key for key in os.environ if key.startswith("CSX_")]:
        monkeypatch.delenv(key)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Put secrets into files and name them."""

    def keep(**given):
        for key, text in given.items():
            path = tmp_path / key
            path.write_text(text)
            monkeypatch.setenv(f"CSX_{key}_FILE", str(path))
        return load(Settings)

    return keep


def test_s2_secrets_come_from_files(kept):
    pem = new_key()
    settings = kept(
        GATEWAY_SECRET=f"{NEW},{OLD}\n",
        GATEWAY_SIGNING_KEYS=pem,
        POSTGRES_DSN="postgresql://csx:hunter22@db/csx\r\n",
        REDIS_URL="redis://:hunter33@cache/0",
    )
    assert settings.secrets == (NEW.encode(), OLD.encode())
    assert settings.postgres_dsn.get_secret_value() == "postgresql://csx:hunter22@db/csx"
    assert settings.redis_url.get_secret_value() == "redis://:hunter33@cache/0"
    assert SigningKeys.read(settings.signing_keys.get_secret_value()).public() == SigningKeys.read(pem).public()
    assert set(secrets_of(settings)) >= {f"{NEW},{OLD}", "redis://:hunter33@cache/0"}
    assert "hunter" not in repr(settings)


@pytest.mark.parametrize("key", KEYS)
def test_s2_a_secret_stands_in_one_place(monkeypatch, tmp_path, key):
    path = tmp_path / "secret"
    path.write_text("x" * 40)
    monkeypatch.setenv(key, "y" * 40)
    monkeypatch.setenv(f"{key}_FILE", str(path))
    with pytest.raises(ConfigurationError, match=f"{key} and {key}_FILE are both set"):
        load(Settings)


def test_an_empty_variable_beside_the_file_is_as_good_as_none(monkeypatch, kept):
    monkeypatch.setenv("CSX_GATEWAY_SECRET", "")
    monkeypatch.setenv("CSX_POSTGRES_DSN", "")
    settings = kept(GATEWAY_SECRET=OLD, POSTGRES_DSN="postgresql://csx@db/csx")
    assert settings.secrets == (OLD.encode(),)
    assert settings.postgres_dsn.get_secret_value() == "postgresql://csx@db/csx"


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe" * 20, b"x" * 70_000])
def test_s2_a_file_without_a_secret_is_refused_by_name_and_says_nothing(monkeypatch, tmp_path, content):
    path = tmp_path / "secret"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv("CSX_GATEWAY_SECRET_FILE", str(path))
    with pytest.raises(ConfigurationError, match="CSX_GATEWAY_SECRET_FILE") as caught:
        load(Settings)
    assert caught.value.exit_code == 3
    assert "xxxx" not in str(caught.value)


@pytest.mark.parametrize("key", ["CSX_GATEWAY_PORT_FILE", "CSX_KAFKA_BOOTSTRAP_FILE", "CSX_GATEWAY_SECRETS_FILE"])
def test_s2_only_secrets_come_from_files(monkeypatch, key):
    monkeypatch.setenv(key, "/etc/hostname")
    with pytest.raises(ConfigurationError, match=key):
        load(Settings)


async def test_s2_secrets_are_rotated(kept, gateway):
    """The drill: new before old, a day of both, then the old one goes; nobody who came meanwhile is turned away."""
    first, second = new_key(), new_key()
    stages = [
        kept(GATEWAY_SECRET=OLD, GATEWAY_SIGNING_KEYS=first),
        kept(GATEWAY_SECRET=f"{NEW},{OLD}", GATEWAY_SIGNING_KEYS=second + first),
        kept(GATEWAY_SECRET=NEW, GATEWAY_SIGNING_KEYS=second),
    ]
    cursors = [Cursors(stage.secrets) for stage in stages]
    tokens = [
        Tokens(SigningKeys.read(stage.signing_keys.get_secret_value()), "https://desk.example", clock=gateway.clock)
        for stage in stages
    ]
    ledgers = [
        PostgresLedger(lambda: gateway.store.pool, seal=Seal(stage.secrets), clock=gateway.clock) for stage in stages
    ]
    words = [one.write("signals.list", 1, "a") for one in cursors]
    assert [cursors[1].read(word, "signals.list", int, str).at for word in words[:2]] == [(1, "a")] * 2
    assert cursors[2].read(words[1], "signals.list", int, str).at == (1, "a")
    with pytest.raises(CursorError):
        cursors[2].read(words[0], "signals.list", int, str)
    public = [{key.kid for key in one.keys.public().keys} for one in tokens]
    assert public[0] < public[1] > public[2]
    assert public[0].isdisjoint(public[2])
    async with await holder(gateway) as client:
        wish, found = {"name": "desk", "scopes": ["read:market"]}, []
        for key, stage in (("one", 0), ("one", 1), ("two", 1), ("two", 2), ("one", 2)):
            gateway.desk.ledger = ledgers[stage]
            found.append(await client.post("/v1/keys", json=wish, headers={"Idempotency-Key": key}))
    assert [answer.status_code for answer in found] == [201, 201, 201, 201, 409]
    assert found[0].content == found[1].content
    assert found[2].content == found[3].content
