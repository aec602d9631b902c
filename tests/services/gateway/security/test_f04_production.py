"""Finding 4: routes were public where keys were missing, and fixed words were administrators' tokens."""

import asyncio
import os
import sys

import pytest
from pydantic import SecretStr

from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import load
from services.gateway.access.signing import new_key
from services.gateway.operations.catalogue import OPERATIONS
from services.gateway.operations.operation import Surface
from services.gateway.settings import Settings

GOOD = {
    "CSX_ENVIRONMENT": "production",
    "CSX_POSTGRES_DSN": "postgresql://csx:p@127.0.0.1:1/csx",
    "CSX_GATEWAY_ALLOWED_HOSTS": "127.0.0.1",
    "CSX_GATEWAY_SECRET": "0123456789abcdef" * 4,
    "CSX_GATEWAY_SIGNING_KEYS": new_key(),
    "CSX_GATEWAY_PUBLIC_URL": "http://127.0.0.1:8080",
}

BAD = {
    "no secret": ({"CSX_GATEWAY_SECRET": ""}, "CSX_GATEWAY_SECRET"),
    "a short secret": ({"CSX_GATEWAY_SECRET": "x" * 31}, "CSX_GATEWAY_SECRET"),
    "a short second secret": ({"CSX_GATEWAY_SECRET": "x" * 32 + ",short"}, "CSX_GATEWAY_SECRET"),
    "three secrets": ({"CSX_GATEWAY_SECRET": ",".join(c * 32 for c in "abc")}, "CSX_GATEWAY_SECRET"),
    "one secret twice": ({"CSX_GATEWAY_SECRET": ",".join(["a" * 32] * 2)}, "CSX_GATEWAY_SECRET"),
    "no signing keys": ({"CSX_GATEWAY_SIGNING_KEYS": ""}, "CSX_GATEWAY_SIGNING_KEYS"),
    "no address": ({"CSX_GATEWAY_PUBLIC_URL": ""}, "CSX_GATEWAY_PUBLIC_URL"),
    "anonymous reading": ({"CSX_GATEWAY_ANONYMOUS": "true", "CSX_GATEWAY_FEED": "sandbox"}, "CSX_GATEWAY_ANONYMOUS"),
    "a bootstrap key": (
        {"CSX_GATEWAY_BOOTSTRAP_KEY": "csx_live_0000000000_" + "0" * 49},
        "CSX_GATEWAY_BOOTSTRAP_KEY",
    ),
    "plain HTTP for everybody": (
        {"CSX_GATEWAY_HOST": "0.0.0.0", "CSX_GATEWAY_ALLOWED_HOSTS": "desk.example"},
        "CSX_GATEWAY_TRANSPORT",
    ),
}


def environment(changes):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CSX_")}
    return kept | {key: value for key, value in (GOOD | changes).items() if value}


def in_process(monkeypatch, changes):
    for key in [key for key in os.environ if key.startswith("CSX_")]:
        monkeypatch.delenv(key)
    for key, value in environment(changes).items():
        if key.startswith("CSX_"):
            monkeypatch.setenv(key, value)
    return load(Settings)


def test_production_with_its_secrets_is_accepted(monkeypatch):
    assert in_process(monkeypatch, {}).secrets == (b"0123456789abcdef" * 4,)


@pytest.mark.parametrize("fault", BAD)
def test_f04_production_refuses(monkeypatch, fault):
    changes, name = BAD[fault]
    with pytest.raises(ConfigurationError, match=name) as caught:
        in_process(monkeypatch, changes)
    for value in changes.values():
        assert not value or len(value) < 8 or value not in str(caught.value)


@pytest.mark.parametrize("fault", ["no secret", "anonymous reading"])
async def test_f04_production_without_its_secrets_ends_with_three(fault):
    changes, name = BAD[fault]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.gateway"),
        env=environment(changes),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 3
    text = (out + err).decode()
    assert name in text
    assert "Traceback" not in text
    assert GOOD["CSX_GATEWAY_SIGNING_KEYS"].splitlines()[1] not in text


def test_no_secret_of_ours_has_a_default():
    for name, field in Settings.model_fields.items():
        if field.annotation is SecretStr and name not in {"postgres_dsn", "redis_url"}:
            assert field.default.get_secret_value() == "", name


WORDS = (
    *("admin", "admin-token", "ADMIN_TOKEN", "secret", "test", "changeme", "default", "dev", "demo", "public"),
    *("null", "None", "undefined", "true", "1", "0", "*", "Bearer", "csx_live_", "csx_admin", "bootstrap", "local"),
    *("cryptosatx", "cryptosatx-admin", "superuser", "root", "password", "api_key", "your-api-key", "x" * 32),
)


@pytest.mark.parametrize("word", WORDS)
async def test_f04_no_word_is_an_admin_token(gateway, word):
    closed = [one for one in OPERATIONS if Surface.REST in one.surfaces and one.scope.startswith("admin:")]
    assert closed
    async with gateway.client(Accept="*/*") as client:
        for operation in closed[:3]:
            path = operation.path.replace("{", "").replace("}", "")
            for headers in (
                {"Authorization": f"Bearer {word}"},
                {"Authorization": word},
                {"X-API-Key": word},
                {"X-Admin-Token": word},
                {"Cookie": f"csx_access={word}; session={word}"},
            ):
                answer = await client.request(operation.method, path, headers=headers)
                assert answer.status_code == 401, (operation.name, headers)
