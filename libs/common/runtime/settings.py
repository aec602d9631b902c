"""Settings from the environment: typed, secrets masked and, where wished, read from files; unknown keys refused."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.common.runtime.errors import ConfigurationError

PREFIX: Final = "CSX_"
SERVICES: Final = ("ingest", "signals", "alerts", "gateway")
_PROCESSES: Final = (*SERVICES, "deadman")
"""Whose keys may stand in one environment."""
_FILE: Final = "_FILE"
_MAX_SECRET: Final = 64 * 1024


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
    """Read the settings of one service from the environment; a secret may stand in a file that `<KEY>_FILE` names.

    Raises:
        ConfigurationError: a value does not fit, or a `CSX_` key is unknown; the message names the keys.
    """
    environ = os.environ if environ is None else environ
    unknown = sorted(set(_own(kind, environ)) - _known(kind))
    if unknown:
        raise ConfigurationError(f"unknown setting {', '.join(unknown)}: check the spelling, or remove it")
    filed: dict[str, Any] = {
        str(kind.model_fields[name].validation_alias or name): _read(key, environ)
        for name, key in _secrets(kind).items()
        if environ.get(key + _FILE)
    }
    try:
        return kind(**filed)
    except ValidationError as e:
        faults = "; ".join(f"{_key(kind, fault['loc'])}: {fault['msg']}" for fault in e.errors())
        raise ConfigurationError(faults) from None  # the cause would print the input, secrets included


def secrets_of(settings: ServiceSettings) -> tuple[str, ...]:
    """Return every secret that the settings hold: what no log may say."""
    found = (getattr(settings, name) for name in _secrets(type(settings)))
    return tuple(secret.get_secret_value() for secret in found if isinstance(secret, SecretStr))


def _secrets(kind: type[ServiceSettings]) -> dict[str, str]:
    """Return the keys of fields that hold secrets, by name."""
    return {
        name: _key(kind, (name,))
        for name, field in kind.model_fields.items()
        if SecretStr in {field.annotation, *get_args(field.annotation)}
    }


def _read(key: str, environ: Mapping[str, str]) -> SecretStr:
    name = key + _FILE
    if environ.get(key):
        raise ConfigurationError(f"{key} and {name} are both set: remove one")
    try:
        with Path(environ[name]).open("rb") as file:
            text = file.read(_MAX_SECRET + 1)
        secret = text.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigurationError(f"{name}: the file cannot be read: {type(e).__name__}") from None
    if not secret or len(text) > _MAX_SECRET:
        raise ConfigurationError(f"{name}: the file is empty, or longer than {_MAX_SECRET} bytes")
    return SecretStr(secret)


def _own(kind: type[ServiceSettings], environ: Mapping[str, str]) -> list[str]:
    own = kind.model_config.get("env_prefix", "")
    others = tuple(f"{PREFIX}{name.upper()}_" for name in _PROCESSES if f"{PREFIX}{name.upper()}_" != own)
    foreign = (*others, f"{PREFIX}TEST_", f"{PREFIX}REQUIRE_")
    return [key for key in environ if key.startswith(PREFIX) and not key.startswith(foreign)]


def _known(kind: type[ServiceSettings]) -> set[str]:
    return {_key(kind, (name,)) for name in kind.model_fields} | {key + _FILE for key in _secrets(kind).values()}


def _key(kind: type[ServiceSettings], where: tuple[int | str, ...]) -> str:
    name = str(where[0]) if where else ""
    shared = f"{PREFIX}{name.upper()}"
    if name in ServiceSettings.model_fields or name.startswith(PREFIX):
        return name if name.startswith(PREFIX) else shared
    return f"{kind.model_config.get('env_prefix', PREFIX)}{name.upper()}"
