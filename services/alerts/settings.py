"""The alerts service's settings, from the environment."""

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from libs.common.conditions.proper import condition_of
from libs.common.events import AlertRule, Label, Severity, Timeframe
from services.alerts.policy.access import lists_of
from services.alerts.policy.budget import Limits
from services.alerts.settings_bot import BotSettings
from services.alerts.settings_watch import WatchSettings


class Settings(BotSettings, WatchSettings, env_prefix="CSX_ALERTS_"):
    """What it listens for by default, and how it reaches people."""

    telegram_token: SecretStr = SecretStr("")
    """Of the bot, as @BotFather gave it; production needs one."""
    telegram_url: str = "https://api.telegram.org"
    """Scheme and host of the Bot API."""
    chats: Annotated[tuple[str, ...], NoDecode] = ()
    """Telegram chats that hear of every signal within the bounds below, without a rule of their own."""
    min_score: float = Field(0.0, ge=0, le=1)
    """Least absolute score these chats hear of."""
    labels: Annotated[tuple[Label, ...], NoDecode] = ()
    """Labels these chats hear of (`strong_buy,strong_sell`); any where empty."""
    timeframes: Annotated[tuple[Timeframe, ...], NoDecode] = ()
    """Timeframes these chats hear of; any where empty."""
    condition: str = ""
    """What must hold besides, in the language of conditions: `abs_score >= 0.6 and regime == "trend"`."""
    cooldown_s: int = Field(0, ge=0)
    """Least seconds between two delivered alerts of one chat, market and timeframe."""
    severity: Severity = Severity.WARNING
    """Of these chats' alerts: `info` is not repeated when its fate is unknown."""
    per_h: int = Field(20, ge=0, le=3600)
    """Messages an hour that a recipient hears, unless they say otherwise; 0: no limit.

    What is beyond goes into a digest.
    """
    burst: int = Field(5, ge=1, le=100_000)
    """When more that are not critical come at once for a recipient, all of them go into a digest."""
    owners: Annotated[tuple[str, ...], NoDecode] = ()
    """Telegram users who run this: the bot obeys them in all, and they hear of trouble."""
    second: Annotated[tuple[str, ...], NoDecode] = ()
    """Where critical alerts go as well that Telegram has not taken within 45 s: `1001=webhook:https://ops.example/in`.

    Of each chat one, commas between.
    """
    overall_per_s: float = Field(25.0, ge=1, le=1000)
    """Messages a second over all chats and senders; Telegram's own limit is about 30, more only for bots that pay."""
    lease_s: float = Field(30.0, gt=0)
    """A sender that has not answered for so long counts as dead."""
    senders: int = Field(16, ge=1, le=256)
    """Sends at once of each channel, each to another recipient."""
    hook_secrets: Annotated[tuple[Annotated[SecretStr, Field(min_length=16)], ...], Field(max_length=2), NoDecode] = ()
    """What webhooks are signed with: 16 characters or more; two while they rotate; nothing is posted without one."""
    hook_ports: Annotated[tuple[int, ...], NoDecode] = (443,)
    """Ports that a webhook's URL may name."""
    hook_private: bool = False
    """Webhooks may go to private addresses and over plain HTTP: for tests and one's own network, never production."""
    heartbeat_url: SecretStr = SecretStr("")
    """Where signs of life are posted: the dead-man's switch, or a monitor of your own; nowhere where empty."""
    heartbeat_s: float = Field(10.0, gt=0)
    """Seconds between two signs of life."""
    public_url: str = Field("", max_length=200)
    """Where people reach the gateway's page, `https://csx.example.com`; messages then link to their evidence."""
    keep_days: int = Field(30, ge=1)
    """How long finished alerts stay in the outbox; not less than verdicts stay on their topic."""

    @field_validator("chats", "second", "owners", "labels", "timeframes", "hook_secrets", "hook_ports", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("public_url")
    @classmethod
    def _linkable(cls, value: str) -> str:
        found = urlsplit(value)
        if value and not (found.scheme in {"http", "https"} and found.hostname and not found.query + found.fragment):
            raise ValueError("public_url: http:// or https://, a host, no query and no fragment")
        return value

    @field_validator("owners")
    @classmethod
    def _people(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        lists_of((), value)
        return value

    @field_validator("second")
    @classmethod
    def _seconds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            _second(one)
        return value

    @field_validator("condition")
    @classmethod
    def _understood(cls, value: str) -> str:
        if value:
            condition_of(value)
        return value

    @model_validator(mode="after")
    def _strict_in_production(self) -> Self:
        if self.environment == "production" and not self.telegram_token.get_secret_value():
            raise ValueError("CSX_ALERTS_TELEGRAM_TOKEN is missing: production does not start without it")
        if self.environment == "production" and self.hook_private:
            raise ValueError("CSX_ALERTS_HOOK_PRIVATE is on: production posts to public addresses only")
        return self

    def second_of(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Return by channel and recipient where their critical alerts go when the channel does not take them."""
        return {("telegram", chat): (channel, recipient) for chat, channel, recipient in map(_second, self.second)}

    def limits(self) -> Limits:
        """Return what a recipient who did not say hears at most."""
        return Limits(per_h=self.per_h, burst=self.burst)

    def default_rules(self) -> list[AlertRule]:
        """Return one rule about signals for each of `chats`, and one for each of them and each template."""
        signals = [
            AlertRule(
                rule_id=f"settings:{chat}",
                recipient=chat,
                min_score=self.min_score,
                labels=self.labels,
                timeframes=self.timeframes,
                condition=self.condition,
                cooldown_s=self.cooldown_s,
                severity=self.severity,
            )
            for chat in dict.fromkeys(self.chats)
        ]
        return signals + self.templated_rules(self.chats)


def _second(text: str) -> tuple[str, str, str]:
    """Return chat, channel and recipient of `1001=webhook:https://ops.example/in`; raises ValueError."""
    chat, _, way = text.partition("=")
    channel, _, recipient = way.partition(":")
    if not (chat.strip() and channel.strip() and recipient.strip()):
        raise ValueError(f"{text[:80]!r} is not CHAT=CHANNEL:RECIPIENT, 1001=webhook:https://ops.example/in, say")
    return chat.strip(), channel.strip(), recipient.strip()
