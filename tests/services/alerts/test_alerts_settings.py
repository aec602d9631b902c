"""What the environment may say."""

import pytest

from libs.common.events import Label, Severity, Timeframe
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import load
from services.alerts.channels import CHANNELS
from services.alerts.channels.telegram import TelegramChannel
from services.alerts.settings import Settings


def test_one_rule_for_each_chat(monkeypatch):
    monkeypatch.setenv("CSX_ALERTS_CHATS", " 123, -456 ,,123")
    monkeypatch.setenv("CSX_ALERTS_MIN_SCORE", "0.25")
    monkeypatch.setenv("CSX_ALERTS_LABELS", "strong_buy,strong_sell")
    monkeypatch.setenv("CSX_ALERTS_TIMEFRAMES", "1m,1h")
    monkeypatch.setenv("CSX_ALERTS_COOLDOWN_S", "60")
    monkeypatch.setenv("CSX_ALERTS_SEVERITY", "critical")
    rules = load(Settings).default_rules()
    assert [(rule.rule_id, rule.recipient) for rule in rules] == [("settings:123", "123"), ("settings:-456", "-456")]
    assert rules[0].labels == (Label.STRONG_BUY, Label.STRONG_SELL)
    assert rules[0].timeframes == (Timeframe.M1, Timeframe.H1)
    assert (rules[0].min_score, rules[0].cooldown_s, rules[0].severity) == (0.25, 60, Severity.CRITICAL)


def test_nobody_is_told_by_default():
    assert load(Settings).default_rules() == []


def test_production_needs_a_token_and_never_prints_it(monkeypatch):
    monkeypatch.setenv("CSX_ENVIRONMENT", "production")
    with pytest.raises(ConfigurationError, match="CSX_ALERTS_TELEGRAM_TOKEN is missing"):
        load(Settings)
    monkeypatch.setenv("CSX_ALERTS_TELEGRAM_TOKEN", "1:secret")
    assert "secret" not in repr(load(Settings))


def test_every_channel_can_be_made(monkeypatch):
    monkeypatch.setenv("CSX_ALERTS_TELEGRAM_TOKEN", "1:secret")
    made = {name: make(load(Settings)) for name, make in CHANNELS.items()}
    assert isinstance(made["telegram"], TelegramChannel)
