"""`csx ingest status`: a broker's address in, a table or NDJSON on stdout and whether all is well out."""

import asyncio
import logging
import sys
from collections.abc import Sequence
from typing import Final

from libs.common.events import FeedQuality
from libs.common.runtime.console import emit, flush
from libs.common.runtime.errors import CheckFailed
from services.ingest.quality.status import sound, table
from services.ingest.quality.status_reading import watched

EVERY_S: Final = 5.0
_CLEAR: Final = b"\x1b[H\x1b[2J"


class Screen:
    """Shows reports, and remembers whether the last ones were sound."""

    def __init__(self, wanted: Sequence[str], *, json: bool, clear: bool) -> None:
        self.good = False
        self._wanted = wanted
        self._json = json
        self._clear = clear

    def show(self, reports: list[FeedQuality], now: int) -> None:
        """Print them; say on stderr who is missing."""
        missing = sorted(set(self._wanted) - {one.venue for one in reports})
        self.good = sound(reports, now) and not missing
        if self._json:
            for report in reports:
                emit(report)
        elif reports:
            emit((_CLEAR if self._clear else b"") + table(reports, now).encode())
        flush()
        if missing:
            sys.stderr.write(f"csx ingest status: no report of {', '.join(missing)}: was it ever started?\n")


def run(
    bootstrap: str,
    venues: Sequence[str],
    *,
    json: bool,
    watch: bool,
    every_s: float = EVERY_S,
    times: int | None = None,
) -> bool:
    """Show once, or until Ctrl-C (at most so many `times`); return whether every venue is well.

    Raises:
        CheckFailed: nobody reported in the last hour.
        DependencyDown: no broker answers.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it says of a broker that is away, we say in a line
    screen = Screen(venues, json=json, clear=watch and not json and sys.stdout.isatty())
    try:
        reports = asyncio.run(watched(bootstrap, venues, screen.show, every_s=every_s if watch else None, times=times))
    except KeyboardInterrupt:  # the order to stop watching
        return screen.good
    if not reports and not venues:
        raise CheckFailed("no process has reported for an hour: is ingest running, and on this broker?")
    return screen.good
