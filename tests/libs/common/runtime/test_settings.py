"""Settings: typed, masked, and strict about their names."""

import pytest

from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import ServiceSettings, load


class Settings(ServiceSettings, env_prefix="CSX_ALERTS_"):
    chats: str = ""
    cooldown_s: int = 60


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    import os

    for key in list(os.environ):
        if key.startswith("CSX_"):
            monkeypatch.delenv(key)


def test_shared_and_own_keys_are_read(monkeypatch):
    monkeypatch.setenv("CSX_KAFKA_BOOTSTRAP", "broker:9092")
    monkeypatch.setenv("CSX_ALERTS_COOLDOWN_S", "5")
    settings = load(Settings)
    assert (settings.kafka_bootstrap, settings.cooldown_s) == ("broker:9092", 5)


def test_keys_without_our_prefix_mean_nothing(monkeypatch):
    monkeypatch.setenv("LOG_LEVEL", "nonsense of another program")
    assert load(Settings).log_level == "INFO"


@pytest.mark.parametrize("key", ["CSX_ALERTS_CHAT", "CSX_KAFKA", "CSX_LOGLEVEL"])
def test_a_misspelt_key_is_refused_by_name(monkeypatch, key):
    monkeypatch.setenv(key, "1")
    with pytest.raises(ConfigurationError, match=key):
        load(Settings)


def test_keys_of_other_services_are_none_of_our_business(monkeypatch):
    monkeypatch.setenv("CSX_INGEST_VENUE", "okx")
    monkeypatch.setenv("CSX_TEST_DATA", "somewhere")
    load(Settings)


def test_a_value_that_does_not_fit_is_named_and_its_content_is_not_shown(monkeypatch):
    monkeypatch.setenv("CSX_ALERTS_COOLDOWN_S", "hunter2")
    with pytest.raises(ConfigurationError, match="CSX_ALERTS_COOLDOWN_S") as caught:
        load(Settings)
    assert "hunter2" not in str(caught.value)
    assert caught.value.exit_code == 3


def test_secrets_are_masked_wherever_settings_are_shown(monkeypatch):
    monkeypatch.setenv("CSX_POSTGRES_DSN", "postgresql://csx:hunter2@127.0.0.1/csx")
    settings = load(Settings)
    assert "hunter2" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.postgres_dsn.get_secret_value().endswith("@127.0.0.1/csx")


def test_settings_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        Settings().cooldown_s = 1
