"""The dead-man's switch's settings, from the environment."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode

from libs.common.runtime.settings import ServiceSettings


class Settings(ServiceSettings, env_prefix="CSX_DEADMAN_"):
    """Whom it listens to, and whom it tells."""

    telegram_token: SecretStr = SecretStr("")
    """Of the bot that tells; better another one than that of the alerts."""
    telegram_url: str = "https://api.telegram.org"
    """Scheme and host of the Bot API."""
    owners: Annotated[tuple[str, ...], NoDecode] = ()
    """Telegram chats that are told, commas between."""
    host: str = "127.0.0.1"
    """Where it listens for beats; whoever reaches it can keep it quiet."""
    port: int = Field(8091, ge=0, le=65535)
    """Its port; 0 takes any free one, which is logged."""
    silence_s: float = Field(45.0, gt=0)
    """Seconds without a beat that count as death; beats come every 10."""
    repeat_s: float = Field(3600.0, gt=0)
    """Seconds between two messages about one silence."""

    @field_validator("owners", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(dict.fromkeys(part.strip() for part in value.split(",") if part.strip()))
        return value

    @model_validator(mode="after")
    def _able_to_tell(self) -> Self:
        if not self.telegram_token.get_secret_value():
            raise ValueError("CSX_DEADMAN_TELEGRAM_TOKEN is missing: nobody could be told")
        if not self.owners:
            raise ValueError("CSX_DEADMAN_OWNERS is missing: nobody would be told")
        return self
