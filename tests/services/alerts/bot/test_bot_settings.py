"""What the environment may say about the bot."""

import hashlib
import hmac

import pytest

from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import load
from services.alerts.bot import running
from services.alerts.settings import Settings


def test_by_default_it_polls_and_obeys_nobody(monkeypatch):
    settings = load(Settings)
    assert (settings.updates, settings.allowed_users, settings.owners) == ("polling", (), ())
    assert not running.wanted(settings)
    monkeypatch.setenv("CSX_ALERTS_TELEGRAM_TOKEN", "7:token")
    assert running.wanted(load(Settings))
    monkeypatch.setenv("CSX_ALERTS_UPDATES", "off")
    assert not running.wanted(load(Settings))


def test_the_key_of_buttons_is_the_tokens_unless_keys_are_set(monkeypatch):
    monkeypatch.setenv("CSX_ALERTS_TELEGRAM_TOKEN", "7:token")
    assert running.keys_of(load(Settings)) == (hmac.digest(b"7:token", b"csx callback data 1", hashlib.sha256),)
    monkeypatch.setenv("CSX_ALERTS_CALLBACK_KEYS", "the-newer-key-of-all, the-older-key-of-both")
    assert running.keys_of(load(Settings)) == (b"the-newer-key-of-all", b"the-older-key-of-both")
    assert "newer" not in repr(load(Settings))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("UPDATES", "pigeon", "CSX_ALERTS_UPDATES"),
        ("ALLOWED_USERS", "@name", "no Telegram user"),
        ("OWNERS", "*", "no Telegram user"),
        ("CALLBACK_KEYS", "short", "at least 16 bytes"),
        ("CALLBACK_KEYS", ",".join(["a key that is long enough"] * 3), "at most 2 keys"),
        ("ZONE", "Nowhere/City", "no time zone"),
        ("WEBHOOK_PORT", "70000", "CSX_ALERTS_WEBHOOK_PORT"),
    ],
)
def test_what_cannot_be_meant(monkeypatch, key, value, says):
    monkeypatch.setenv(f"CSX_ALERTS_{key}", value)
    with pytest.raises(ConfigurationError, match=says):
        load(Settings)


def test_a_webhook_needs_its_address_and_its_secret(monkeypatch):
    monkeypatch.setenv("CSX_ENVIRONMENT", "production")
    monkeypatch.setenv("CSX_ALERTS_TELEGRAM_TOKEN", "7:token")
    monkeypatch.setenv("CSX_ALERTS_UPDATES", "webhook")
    with pytest.raises(ConfigurationError, match="CSX_ALERTS_WEBHOOK_URL is missing"):
        load(Settings)
    monkeypatch.setenv("CSX_ALERTS_WEBHOOK_URL", "http://bot.example.com/hook")
    with pytest.raises(ConfigurationError, match="no https address"):
        load(Settings)
    monkeypatch.setenv("CSX_ALERTS_WEBHOOK_URL", "https://bot.example.com/hook")
    for secret in ("", "short", "with blanks in between it", "x" * 257):
        monkeypatch.setenv("CSX_ALERTS_WEBHOOK_SECRET", secret)
        with pytest.raises(ConfigurationError, match="CSX_ALERTS_WEBHOOK_SECRET is missing"):
            load(Settings)
    monkeypatch.setenv("CSX_ALERTS_WEBHOOK_SECRET", "a-secret-of-enough_letters")
    assert load(Settings).updates == "webhook"
