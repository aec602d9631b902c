"""The settings of what is watched beside signals, from the environment."""

from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from libs.common.conditions.subjects import Kind
from libs.common.conditions.templates import TEMPLATES
from libs.common.events import AlertRule
from libs.common.runtime.settings import ServiceSettings

QUIET: Final = ("storm_majors", "storm_large", "cascade", "price_crash", "feed_down", "process_down")
"""Rare, and each worth a look; what comes every hour (prints, clusters, single liquidations) is to be asked for."""


class WatchSettings(ServiceSettings):
    """What the chats of the settings hear of beside signals, and which processes are asked how they fare."""

    templates: Annotated[tuple[str, ...], NoDecode] = QUIET
    """Templates of rules about markets, feeds and processes that the chats of the settings have; none where empty."""
    watched: Annotated[tuple[str, ...], NoDecode] = ()
    """Our processes and where they tell Prometheus: `ingest=http://127.0.0.1:9101/metrics`, commas between."""
    watched_every_s: float = Field(15.0, ge=1)
    """Seconds between two looks at them."""

    @field_validator("templates", "watched", mode="before")
    @classmethod
    def _of_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("templates")
    @classmethod
    def _known_templates(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in TEMPLATES:
                raise ValueError(f"templates: there is no {name!r}; there are {', '.join(sorted(TEMPLATES))}")
            if TEMPLATES[name].kind is Kind.SIGNAL:
                raise ValueError(f"templates: {name!r} is about signals, and these chats hear of those anyway")
        return value

    @field_validator("watched")
    @classmethod
    def _named_urls(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            name, _, url = one.partition("=")
            if not name or urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
                raise ValueError(f"watched: {one!r} is not name=http://host:port/metrics")
        if len({one.partition("=")[0] for one in value}) < len(value):
            raise ValueError("watched: a name stands twice")
        return value

    def processes(self) -> dict[str, str]:
        """Return the URLs of the watched processes by name."""
        return {name: url for name, _, url in (one.partition("=") for one in self.watched)}

    def templated_rules(self, chats: tuple[str, ...]) -> list[AlertRule]:
        """Return one rule for each of `chats` and templates."""
        return [
            AlertRule(
                rule_id=f"settings:{chat}:{name}",
                recipient=chat,
                kind=TEMPLATES[name].kind.value,
                condition=TEMPLATES[name].condition,
                until=TEMPLATES[name].until,
                for_s=TEMPLATES[name].for_s,
                cooldown_s=TEMPLATES[name].cooldown_s,
                severity=TEMPLATES[name].severity,
                template=name,
            )
            for chat in dict.fromkeys(chats)
            for name in dict.fromkeys(self.templates)
        ]
