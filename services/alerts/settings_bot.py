"""The settings of the bot, from the environment."""

import re
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from libs.common.runtime.settings import ServiceSettings
from services.alerts.policy.access import lists_of
from services.alerts.policy.callbacks import MOST_KEYS
from services.alerts.policy.quiet import zone_of

_KEY_BYTES: Final = 16
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{16,256}")


class BotSettings(ServiceSettings):
    """Whom the bot obeys, and how it hears of what they write."""

    updates: Literal["polling", "webhook", "off"] = "polling"
    """How the bot hears of what people write: it asks, Telegram posts, or not at all."""
    webhook_url: str = ""
    """The public https address to which Telegram posts; what stands before us ends TLS and hands its path on."""
    webhook_port: int = Field(8443, ge=0, le=65535)
    """The port that hears those posts, on `CSX_HEALTH_HOST`; 0 takes any free one."""
    webhook_secret: SecretStr = SecretStr("")
    """What Telegram shows with each post: 16 to 256 of A-Z, a-z, 0-9, _ and -; `webhook` does not start without."""
    allowed_users: Annotated[tuple[str, ...], NoDecode] = ()
    """Telegram users that may use the bot; nobody where empty, everybody for `*`. Owners and the invited may, too."""
    callback_keys: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    """Secrets that sign buttons, the newest first; two while they rotate. Derived from the token where empty."""
    zone: str = "UTC"
    """Time zone of quiet hours and digests of who did not name one."""
    pictures: bool = True
    """Draw charts when asked for; from the first on, the library takes some 50 MB."""

    @field_validator("allowed_users", "callback_keys", mode="before")
    @classmethod
    def _parts(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("callback_keys")
    @classmethod
    def _strong(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if len(value) > MOST_KEYS:
            raise ValueError(f"at most {MOST_KEYS} keys")
        if any(len(key.get_secret_value().encode()) < _KEY_BYTES for key in value):
            raise ValueError(f"a key has at least {_KEY_BYTES} bytes")
        return value

    @field_validator("allowed_users")
    @classmethod
    def _users(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        lists_of(value, ())
        return value

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        zone_of(value)
        return value

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.updates == "webhook":
            if urlsplit(self.webhook_url).scheme not in {"https", "http"}:
                raise ValueError("CSX_ALERTS_WEBHOOK_URL is missing: Telegram must know where to post")
            if self.environment == "production" and not self.webhook_url.startswith("https://"):
                raise ValueError("CSX_ALERTS_WEBHOOK_URL is no https address: Telegram posts to no other")
            if not _SECRET.fullmatch(self.webhook_secret.get_secret_value()):
                raise ValueError("CSX_ALERTS_WEBHOOK_SECRET is missing, or not 16 to 256 of A-Z, a-z, 0-9, _ and -")
        return self
