"""Topic settings in Kafka's own names: strings in, checked values out; what is not enforced is refused. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final


class ConfigRefusedError(ValueError):
    """A setting this broker does not know, or a value it cannot honour."""


@dataclass(frozen=True, slots=True)
class TopicConfig:
    """What a partition's log obeys; -1 is without limit."""

    compact: bool
    delete: bool
    retention_ms: int
    retention_bytes: int
    segment_bytes: int
    max_message_bytes: int
    delete_retention_ms: int
    """How long the newest tombstone of a key stays."""
    min_cleanable_dirty_ratio: float


def _policy(value: str) -> None:
    words = {word.strip() for word in value.split(",")}
    if not words or not words <= {"compact", "delete"}:
        raise ValueError("wants compact, delete, or compact,delete")


def _whole(least: int) -> Callable[[str], None]:
    def check(value: str) -> None:
        if int(value) < least:
            raise ValueError(f"wants a whole number from {least}")

    return check


def _ratio(value: str) -> None:
    if not 0.0 <= float(value) <= 1.0:
        raise ValueError("wants a number from 0 to 1")


def _only(allowed: str) -> Callable[[str], None]:
    def check(value: str) -> None:
        if value != allowed:
            raise ValueError(f"can only be {allowed} on this broker")

    return check


_SETTINGS: Final[dict[str, tuple[str, Callable[[str], None]]]] = {
    "cleanup.policy": ("delete", _policy),
    "compression.type": ("producer", _only("producer")),
    "delete.retention.ms": (str(86_400_000), _whole(0)),
    "max.message.bytes": ("1048588", _whole(0)),
    "message.timestamp.type": ("CreateTime", _only("CreateTime")),
    "min.cleanable.dirty.ratio": ("0.5", _ratio),
    "min.insync.replicas": ("1", _only("1")),
    "retention.bytes": (str(512 << 20), _whole(-1)),
    "retention.ms": (str(7 * 86_400_000), _whole(-1)),
    "segment.bytes": (str(16 << 20), _whole(4096)),
}
"""Default and check of every setting; smaller segments and bounded retention than Kafka's: this runs on laptops."""

DEFAULTS: Final[Mapping[str, str]] = {name: default for name, (default, _) in _SETTINGS.items()}


def check(overrides: Mapping[str, str | None]) -> dict[str, str]:
    """Return `overrides` without its nulls, which mean the default.

    Raises:
        ConfigRefusedError: an unknown name or a bad value.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    for name, value in given.items():
        if name not in _SETTINGS:
            raise ConfigRefusedError(f"{name} is not a setting of this broker; it has {', '.join(_SETTINGS)}")
        try:
            _SETTINGS[name][1](value)
        except ValueError as e:
            raise ConfigRefusedError(f"{name}={value}: {e}") from e
    return given


def parse(settings: Mapping[str, str]) -> TopicConfig:
    """Return the values of a complete, checked mapping."""
    policy = {word.strip() for word in settings["cleanup.policy"].split(",")}
    return TopicConfig(
        compact="compact" in policy,
        delete="delete" in policy,
        retention_ms=int(settings["retention.ms"]),
        retention_bytes=int(settings["retention.bytes"]),
        segment_bytes=int(settings["segment.bytes"]),
        max_message_bytes=int(settings["max.message.bytes"]),
        delete_retention_ms=int(settings["delete.retention.ms"]),
        min_cleanable_dirty_ratio=float(settings["min.cleanable.dirty.ratio"]),
    )
