"""What the environment may say."""

import pytest

from libs.common.conditions.proper import proper
from libs.common.events import Label, Severity, Timeframe
from libs.common.runtime.errors import ConfigurationError
from libs.common.runtime.settings import load
from services.alerts.channels import opened, paces
from services.alerts.channels.telegram import TelegramChannel
from services.alerts.channels.webhook import WebhookChannel
from services.alerts.settings import Settings
from services.alerts.settings_watch import QUIET

SECRET = "a secret of 18 chr"


def test_one_rule_for_each_chat(monkeypatch):
    monkeypatch.setenv("CSX_ALERTS_CHATS", " 123, -456 ,,123")
    monkeypatch.setenv("CSX_ALERTS_MIN_SCORE", "0.25")
    monkeypatch.setenv("CSX_ALERTS_LABELS", "strong_buy,strong_sell")
    monkeypatch.setenv("CSX_ALERTS_TIMEFRAMES", "1m,1h")
    monkeypatch.setenv("CSX_ALERTS_COOLDOWN_S", "60")
    monkeypatch.setenv("CSX_ALERTS_SEVERITY", "critical")
    monkeypatch.setenv("CSX_ALERTS_TEMPLATES", "")
    rules = load(Settings).default_rules()
    assert [(rule.rule_id, rule.recipient) for rule in rules] == [("settings:123", "123"), ("settings:-456", "-456")]
    assert rules[0].labels == (Label.STRONG_BUY, Label.STRONG_SELL)
    assert rules[0].timeframes == (Timeframe.M1, Timeframe.H1)
    assert (rules[0].min_score, rules[0].cooldown_s, rules[0].severity) == (0.25, 60, Severity.CRITICAL)


def test_nobody_is_told_by_default():
    assert load(Settings).default_rules() == []


def test_each_chat_has_the_rules_of_the_templates(monkeypatch):
    monkeypatch.setenv("CSX_ALERTS_CHATS", "1,2,1")
    monkeypatch.setenv("CSX_ALERTS_TEMPLATES", "storm_majors, feed_down")
    rules = [rule for rule in load(Settings).default_rules() if rule.template]
    assert [rule.rule_id for rule in rules] == [
        "settings:1:storm_majors",
        "settings:1:feed_down",
        "settings:2:storm_majors",
        "settings:2:feed_down",
    ]
    assert (rules[1].kind, rules[1].for_s, rules[1].severity) == ("feed", 30, Severity.CRITICAL)
    for rule in rules:
        proper(rule)


def test_what_is_shipped_as_the_default_can_be_asked(monkeypatch):
    monkeypatch.setenv("CSX_ALERTS_CHATS", "1")
    rules = load(Settings).default_rules()
    assert len(rules) == 1 + len(QUIET)
    for rule in rules:
        proper(rule)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("TEMPLATES", "storms", "there is no 'storms'"),
        ("TEMPLATES", "strong_signal", "is about signals"),
        ("WATCHED", "http://127.0.0.1:9101/metrics", "is not name="),
        ("WATCHED", "a=ftp://host", "is not name="),
        ("WATCHED", "a=http://h/m,a=http://i/m", "stands twice"),
    ],
)
def test_what_is_watched_is_checked_at_the_start(monkeypatch, key, value, words):
    monkeypatch.setenv(f"CSX_ALERTS_{key}", value)
    with pytest.raises(ConfigurationError, match=words):
        load(Settings)


def test_processes_by_name(monkeypatch):
    monkeypatch.setenv("CSX_ALERTS_WATCHED", "ingest=http://127.0.0.1:9101/metrics, signals=http://h:2/metrics")
    assert load(Settings).processes() == {
        "ingest": "http://127.0.0.1:9101/metrics",
        "signals": "http://h:2/metrics",
    }


def test_production_needs_a_token_and_never_prints_it(monkeypatch):
    monkeypatch.setenv("CSX_ENVIRONMENT", "production")
    with pytest.raises(ConfigurationError, match="CSX_ALERTS_TELEGRAM_TOKEN is missing"):
        load(Settings)
    monkeypatch.setenv("CSX_ALERTS_TELEGRAM_TOKEN", "1:hidden")
    assert "hidden" not in repr(load(Settings))


@pytest.mark.parametrize(
    ("given", "open_ones"),
    [
        ({}, {}),
        ({"TELEGRAM_TOKEN": "1:secret"}, {"telegram": TelegramChannel}),
        ({"HOOK_SECRETS": SECRET}, {"webhook": WebhookChannel}),
        ({"TELEGRAM_TOKEN": "1:s", "HOOK_SECRETS": SECRET}, {"telegram": TelegramChannel, "webhook": WebhookChannel}),
    ],
)
def test_each_channel_decides_by_itself_and_one_without_its_secret_says_so_once(monkeypatch, caplog, given, open_ones):
    caplog.set_level("INFO", "services.alerts.channels")
    for key, value in given.items():
        monkeypatch.setenv(f"CSX_ALERTS_{key}", value)
    assert {name: type(channel) for name, channel in opened(load(Settings)).items()} == open_ones
    assert len(caplog.records) == 2 - len(open_ones)
    assert all(" no CSX_ALERTS_" in f" {record.message}" for record in caplog.records)


def test_every_channel_has_a_pace_and_floods_are_one_for_those_behind_one_limit(monkeypatch):
    monkeypatch.setenv("CSX_ALERTS_OVERALL_PER_S", "60")
    found = paces(load(Settings))
    assert (found["telegram"].overall_per_s, found["telegram"].chat_interval_s) == (60, 1)
    assert found["webhook"].group_per_minute == 0
    assert (TelegramChannel.one_limit, WebhookChannel.one_limit) == (True, False)


@pytest.mark.parametrize(
    "secrets", [SECRET[:15], f"{SECRET},{SECRET[:15]}", f"{SECRET},{SECRET},{SECRET}"], ids=["short", "one", "three"]
)
def test_webhooks_are_signed_with_one_good_secret_or_two(monkeypatch, secrets):
    monkeypatch.setenv("CSX_ALERTS_HOOK_SECRETS", secrets)
    with pytest.raises(ConfigurationError, match="CSX_ALERTS_HOOK_SECRETS") as caught:
        load(Settings)
    assert SECRET[:15] not in str(caught.value)


def test_secrets_and_ports_of_webhooks(monkeypatch):
    monkeypatch.setenv("CSX_ALERTS_HOOK_SECRETS", f"{SECRET}, {SECRET[::-1]}")
    monkeypatch.setenv("CSX_ALERTS_HOOK_PORTS", "443, 8443")
    found = load(Settings)
    assert [secret.get_secret_value() for secret in found.hook_secrets] == [SECRET, SECRET[::-1]]
    assert found.hook_ports == (443, 8443)
    assert SECRET not in repr(found)


def test_production_posts_to_no_private_address(monkeypatch):
    monkeypatch.setenv("CSX_ENVIRONMENT", "production")
    monkeypatch.setenv("CSX_ALERTS_TELEGRAM_TOKEN", "1:secret")
    monkeypatch.setenv("CSX_ALERTS_HOOK_PRIVATE", "true")
    with pytest.raises(ConfigurationError, match="CSX_ALERTS_HOOK_PRIVATE"):
        load(Settings)


@pytest.mark.parametrize(
    "url", ["csx.example.com", "ftp://h", "https://", "https://h/?a=1", "https://h/#key=x", "x" * 201]
)
def test_a_public_url_is_one_that_people_can_open(monkeypatch, url):
    monkeypatch.setenv("CSX_ALERTS_PUBLIC_URL", url)
    with pytest.raises(ConfigurationError, match=r"(?i)public_url"):
        load(Settings)
    monkeypatch.setenv("CSX_ALERTS_PUBLIC_URL", "https://csx.example.com/page/")
    assert load(Settings).public_url == "https://csx.example.com/page/"
