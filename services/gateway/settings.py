"""The gateway's settings, from the environment."""

import ipaddress
from typing import Annotated, Final, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode

from libs.common.runtime.settings import ServiceSettings
from services.gateway.access.keys import well_formed

_LOOPBACK_NAMES: Final = frozenset({"localhost"})


class Settings(ServiceSettings, env_prefix="CSX_GATEWAY_"):
    """Where it listens and whom it lets in; the order of the fields is the order of their checks."""

    host: str = "127.0.0.1"
    """Where it listens."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Its port; 0 takes any free one."""
    feed: Literal["live", "recorded", "sandbox"] = "live"
    """What the ingest is fed from; only the sandbox may be read without a key."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Host names that requests may name; on loopback the loopback's own names, elsewhere any, where empty."""
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins of other web pages that may open the stream: `https://desk.example`."""
    heartbeat_s: float = Field(default=15.0, gt=0)
    """Seconds between two heartbeats of the stream."""
    stale_after_s: float = Field(default=15.0, gt=0)
    """A price, book or feed that is older is marked stale."""
    max_clients: int = Field(default=1000, ge=1)
    """WebSocket clients at once."""
    queue_size: int = Field(default=1000, ge=1)
    """Signals that may wait for one slow client before it is cut."""
    limit_second: int = Field(default=20, ge=1)
    """Requests a second of one credential."""
    limit_minute: int = Field(default=600, ge=100)
    """Cost of one credential's requests a minute."""
    limit_day: int = Field(default=0, ge=0)
    """Cost of one credential's requests a day, where its key has no quota of its own; 0: no limit by day."""
    limit_address: int = Field(default=300, ge=1)
    """Requests a minute of one address that shows no credential."""
    limit_address_known: int = Field(default=3_000, ge=1)
    """Requests a minute of one address that shows credentials."""
    limit_failures: int = Field(default=10, ge=1)
    """Refused credentials a minute of one address; then it is locked out."""
    replicas: int = Field(default=1, ge=1)
    """Gateways that share one Redis: without it each admits its part of every limit."""
    cache_mib: int = Field(default=16, ge=0)
    """Memory for answers that are kept a moment for all who ask the same; 0 keeps none."""
    chats: Annotated[tuple[str, ...], NoDecode] = ()
    """Telegram chats that anybody with an account may name as theirs; others wait for an administrator."""
    lag_s: float = Field(default=30.0, gt=0)
    """A projection that is further behind its topic makes this process not ready."""
    bootstrap_key: SecretStr = SecretStr("")
    """An API key that needs no row in the database: `csx up` makes one for its page. Local environment only."""
    anonymous: bool = False
    """Reading without a key: the sandbox market on loopback, local environment, nothing else."""

    @field_validator("allowed_hosts", "allowed_origins", "chats", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().lower().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @field_validator("bootstrap_key")
    @classmethod
    def _bootstrap_is_local(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        if not value.get_secret_value():
            return value
        if info.data.get("environment") != "local":
            raise ValueError("a bootstrap key is for the local environment: make one with `csx gateway keys create`")
        if not well_formed(value.get_secret_value()):
            raise ValueError("this is no API key: its form or its checksum is wrong")
        return value

    @field_validator("anonymous")
    @classmethod
    def _anonymous_is_harmless(cls, value: bool, info: ValidationInfo) -> bool:
        if not value:
            return value
        faults = [
            fault
            for fault, harmless in (
                ("CSX_GATEWAY_FEED must be sandbox", info.data.get("feed") == "sandbox"),
                ("CSX_GATEWAY_HOST must be loopback", is_loopback(str(info.data.get("host")))),
                ("CSX_ENVIRONMENT must be local", info.data.get("environment") == "local"),
            )
            if not harmless
        ]
        if faults:
            raise ValueError(f"reading without a key is refused: {', '.join(faults)}")
        return value

    @property
    def hosts(self) -> frozenset[str]:
        """Host names that requests may name; empty means any."""
        if self.allowed_hosts:
            return frozenset(self.allowed_hosts)
        return frozenset({"127.0.0.1", "localhost", "::1"}) if is_loopback(self.host) else frozenset()


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches `host`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host in _LOOPBACK_NAMES
