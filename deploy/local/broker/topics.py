"""Topics: names, partition counts and settings in, their logs out; the table of them is on disk."""

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from deploy.local.broker import configs
from deploy.local.broker.configs import TopicConfig
from deploy.local.broker.files import write_whole
from deploy.local.broker.log import Log

_NAME: Final = re.compile(r"[a-zA-Z0-9._-]{1,249}")


class Topics:
    """Every topic of the broker. `defaults` are settings for topics that do not say otherwise."""

    def __init__(self, folder: Path, defaults: Mapping[str, str]) -> None:
        self._folder = folder / "logs"
        self._table = folder / "topics.json"
        self.defaults = {**configs.DEFAULTS, **configs.check(defaults)}
        self._overrides: dict[str, dict[str, str]] = {}
        self._logs: dict[str, list[Log]] = {}
        if self._table.exists():
            for name, row in json.loads(self._table.read_text(encoding="utf-8")).items():
                self._overrides[name] = configs.check(row["config"])
                self._open(name, range(row["partitions"]))

    def __contains__(self, name: str) -> bool:
        return name in self._logs

    def __iter__(self) -> Iterator[str]:
        return iter(self._logs)

    def logs(self, name: str) -> list[Log]:
        """Return the partitions of a topic, none if it does not exist."""
        return self._logs.get(name, [])

    def log(self, name: str, partition: int) -> Log | None:
        """Return one partition."""
        logs = self._logs.get(name)
        return logs[partition] if logs is not None and 0 <= partition < len(logs) else None

    def all_logs(self) -> list[Log]:
        """Return every partition of every topic."""
        return [log for logs in self._logs.values() for log in logs]

    def settings(self, name: str) -> dict[str, str]:
        """Return all settings of a topic."""
        return {**self.defaults, **self._overrides[name]}

    def overridden(self, name: str) -> frozenset[str]:
        """Return the names of the settings that a topic has of its own."""
        return frozenset(self._overrides[name])

    def check(self, overrides: Mapping[str, str | None]) -> None:
        """Raise ConfigRefusedError if a topic could not be created with `overrides`."""
        configs.check(overrides)

    def create(self, name: str, partitions: int, overrides: Mapping[str, str | None]) -> None:
        """Create a topic that does not exist under a legal name.

        Raises:
            ConfigRefusedError: a setting that cannot be honoured; nothing was created.
        """
        self._overrides[name] = configs.check(overrides)
        self._make(name, range(partitions))

    def grow(self, name: str, partitions: int) -> None:
        """Add partitions up to `partitions`."""
        self._make(name, range(len(self._logs[name]), partitions))

    def delete(self, name: str) -> None:
        """Delete a topic and its data."""
        logs = self._logs.pop(name)
        del self._overrides[name]
        self._save()  # first: a topic in the table without data would come back empty
        for log in logs:
            log.remove()

    def close(self) -> None:
        """Sync and close every log."""
        for log in self.all_logs():
            log.close()

    def _make(self, name: str, partitions: range) -> None:
        for partition in partitions:  # of a topic whose deletion was cut short
            shutil.rmtree(self._folder_of(name, partition), ignore_errors=True)
        self._open(name, partitions)
        self._save()

    def _open(self, name: str, partitions: range) -> None:
        config: TopicConfig = configs.parse(self.settings(name))
        fresh = [Log(self._folder_of(name, partition), config) for partition in partitions]
        self._logs.setdefault(name, []).extend(fresh)

    def _folder_of(self, name: str, partition: int) -> Path:
        return self._folder / f"{name}-{partition}"

    def _save(self) -> None:
        table = {name: {"partitions": len(logs), "config": self._overrides[name]} for name, logs in self._logs.items()}
        write_whole(self._table, json.dumps(table, indent=1))


def is_legal(name: str) -> bool:
    """Whether Kafka allows `name` for a topic."""
    return _NAME.fullmatch(name) is not None and name not in {".", ".."}
