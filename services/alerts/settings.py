"""The alerts service's settings, from the environment."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from libs.common.events import AlertRule, Label, Severity, Timeframe
from libs.common.runtime.settings import ServiceSettings
from services.alerts.policy.matching import condition_of


class Settings(ServiceSettings, env_prefix="CSX_ALERTS_"):
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
    per_h: int = Field(20, ge=1, le=3600)
    """Messages an hour that a recipient hears, unless they say otherwise; what is beyond goes into a digest."""
    owners: Annotated[tuple[str, ...], NoDecode] = ()
    """Telegram users who run this: the bot obeys them in all, and they hear of trouble."""
    overall_per_s: float = Field(25.0, ge=1, le=1000)
    """Messages a second over all chats and senders; Telegram's own limit is about 30, more only for bots that pay."""
    lease_s: float = Field(30.0, gt=0)
    """A sender that has not answered for so long counts as dead."""
    senders: int = Field(16, ge=1, le=256)
    """Sends at once, each to another chat."""
    keep_days: int = Field(30, ge=1)
    """How long finished alerts stay in the outbox; not less than verdicts stay on their topic."""

    @field_validator("chats", "owners", "labels", "timeframes", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
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
        return self

    def default_rules(self) -> list[AlertRule]:
        """Return one rule for each of `chats`."""
        return [
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
