"""The settings of the switch: each documented, and no stranger to the other processes."""

from pathlib import Path

import pytest

from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import ServiceSettings, load
from services.alerts.deadman.settings import Settings as Deadman
from services.alerts.settings import Settings as Alerts


def test_every_setting_says_what_it_is_and_is_in_the_operations_page():
    page = (Path(__file__).resolve().parents[4] / "docs" / "operations.md").read_text(encoding="utf-8")
    for name, field in Deadman.model_fields.items():
        if name not in ServiceSettings.model_fields:
            assert field.description, name
            assert f"`CSX_DEADMAN_{name.upper()}`" in page, name


def test_one_environment_serves_both(monkeypatch):
    monkeypatch.setenv("CSX_DEADMAN_OWNERS", "1001, 1002,1001,")
    monkeypatch.setenv("CSX_DEADMAN_TELEGRAM_TOKEN", "7000000001:sandbox")
    monkeypatch.setenv("CSX_ALERTS_CHATS", "1003")
    assert load(Deadman).owners == ("1001", "1002")
    assert load(Alerts).chats == ("1003",)
    monkeypatch.setenv("CSX_DEADMAN_OWNRES", "1001")
    with pytest.raises(ConfigurationError, match="CSX_DEADMAN_OWNRES"):
        load(Deadman)
