"""A library's log records in, those that say something new out: equal ones are counted, and said again with a count."""

import logging
from typing import Final

EVERY_S: Final = 10.0
_REMEMBERED: Final = 200


class Repetition(logging.Filter):
    """Lets one of equal records of the libraries `names` pass every `every_s` seconds, with `repeats` it stands for.

    Equal is what has the same logger and the same words before numbers are filled in. Our own records always pass.
    """

    def __init__(self, *names: str, every_s: float = EVERY_S) -> None:
        super().__init__()
        self._names = names
        self._every_s = every_s
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the record passes; its own time is the clock."""
        if record.name.partition(".")[0] not in self._names:
            return True
        key = (record.name, str(record.msg))
        said_s, repeats = self._said.get(key, (float("-inf"), 0))
        if record.created - said_s < self._every_s:
            self._said[key] = (said_s, repeats + 1)
            return False
        if repeats:
            record.repeats = repeats
        self._said.pop(key, None)
        self._said[key] = (record.created, 0)
        if len(self._said) > _REMEMBERED:
            del self._said[next(iter(self._said))]
        return True
