"""Settings from the environment: typed, secrets masked, unknown keys refused."""

import os
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.common.runtime.errors import ConfigurationError

PREFIX: Final = "CSX_"
SERVICES: Final = ("ingest", "signals", "alerts", "gateway")
_PROCESSES: Final = (*SERVICES, "deadman")
"""Whose keys may stand in one environment."""


S = TypeVar("S", bound="ServiceSettings")


def _shared(key: str, default: Any, description: str) -> Any:
    return Field(default, validation_alias=f"{PREFIX}{key}", description=description)


class ServiceSettings(BaseSettings):
    """What every service has.

    A service's own keys carry its prefix: `class Settings(ServiceSettings, env_prefix="CSX_ALERTS_")`.
    """

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True, use_attribute_docstrings=True
    )

    kafka_bootstrap: str = _shared("KAFKA_BOOTSTRAP", "127.0.0.1:9092", "host:port of the broker, commas between more")
    postgres_dsn: SecretStr = _shared("POSTGRES_DSN", "", "postgresql://user:password@host:port/database")
    redis_url: SecretStr = _shared("REDIS_URL", "redis://127.0.0.1:6379/0", "redis://[:password@]host:port/number")
    health_host: str = _shared("HEALTH_HOST", "127.0.0.1", "where /livez, /readyz and /metrics listen")
    health_port: int = _shared("HEALTH_PORT", 0, "0 takes any free port; it is logged")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = _shared("LOG_LEVEL", "INFO", "least level logged")
    log_format: Literal["json", "console"] = _shared("LOG_FORMAT", "json", "json for machines, console for people")
    otel_endpoint: str | None = _shared("OTEL_ENDPOINT", None, "OTLP over HTTP; traces are off without it")
    memory_limit_mib: int | None = _shared("MEMORY_LIMIT_MIB", None, "the container's limit where absent")
    instance: str | None = _shared(
        "INSTANCE", None, "name of this replica that survives its restart; its partitions then wait for it"
    )
    environment: Literal["local", "production"] = _shared("ENVIRONMENT", "local", "production refuses weak settings")


def load(kind: type[S], environ: Mapping[str, str] | None = None) -> S:
    """Read the settings of one service from the environment.

    Raises:
        ConfigurationError: a value does not fit, or a `CSX_` key is unknown; the message names the keys.
    """
    environ = os.environ if environ is None else environ
    unknown = sorted(set(_own(kind, environ)) - _known(kind))
    if unknown:
        raise ConfigurationError(f"unknown setting {', '.join(unknown)}: check the spelling, or remove it")
    try:
        return kind()
    except ValidationError as e:
        faults = "; ".join(f"{_key(kind, fault['loc'])}: {fault['msg']}" for fault in e.errors())
        raise ConfigurationError(faults) from None  # the cause would print the input, secrets included


def _own(kind: type[ServiceSettings], environ: Mapping[str, str]) -> list[str]:
    own = kind.model_config.get("env_prefix", "")
    others = tuple(f"{PREFIX}{name.upper()}_" for name in _PROCESSES if f"{PREFIX}{name.upper()}_" != own)
    foreign = (*others, f"{PREFIX}TEST_", f"{PREFIX}REQUIRE_")
    return [key for key in environ if key.startswith(PREFIX) and not key.startswith(foreign)]


def _known(kind: type[ServiceSettings]) -> set[str]:
    return {_key(kind, (name,)) for name in kind.model_fields}


def _key(kind: type[ServiceSettings], where: tuple[int | str, ...]) -> str:
    name = str(where[0]) if where else ""
    shared = f"{PREFIX}{name.upper()}"
    if name in ServiceSettings.model_fields or name.startswith(PREFIX):
        return name if name.startswith(PREFIX) else shared
    return f"{kind.model_config.get('env_prefix', PREFIX)}{name.upper()}"
