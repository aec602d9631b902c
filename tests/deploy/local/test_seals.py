"""The gateway's secrets of one machine: made once, kept, and nobody else's to read."""

from deploy.local.seals import seals
from libs.common.runtime.settings import load
from services.gateway.settings import Settings


def test_they_are_made_once_and_read_by_the_gateway(tmp_path):
    named = seals(tmp_path, {})
    assert seals(tmp_path, {}) == named
    settings = load(Settings, named)
    assert len(settings.secrets[0]) == 64
    assert "PRIVATE KEY" in settings.signing_keys.get_secret_value()
    before = settings.signing_keys.get_secret_value()
    assert load(Settings, seals(tmp_path, {})).signing_keys.get_secret_value() == before


def test_their_owner_alone_may_read_them(tmp_path):
    seals(tmp_path, {})
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_what_the_environment_says_is_left_to_it(tmp_path):
    named = seals(tmp_path, {"CSX_GATEWAY_SECRET": "x" * 32, "CSX_GATEWAY_SIGNING_KEYS_FILE": "/run/secrets/keys"})
    assert named == {}
    assert list(tmp_path.iterdir()) == []
