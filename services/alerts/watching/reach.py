"""Where a partition's log stands and what is stored of it in; where to begin reading, and from where to tell, out.

Windows are not stored: after a start they are filled again from the log, in silence, up to where was told before. So a
burst that was told stays told, and its end is not mistaken for the emptiness of a new window. What came while nobody
listened is told for `TOLD_S`; what is older fills windows only.
"""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from libs.common.bus import topics
from libs.common.bus.topics import Topic
from libs.common.events import DAY_NS, MINUTE_NS, SECOND_NS

TOLD_NS: Final = 5 * MINUTE_NS
"""As long as bursts and prints are worth telling."""


class Reach(Struct, frozen=True, kw_only=True):
    """How far back a topic is read at a start."""

    past_ns: int = 0
    """What its windows hold, before the first word that is told; of `newest`, how far back at most."""
    rows: Literal["all", "newest"] | None = None
    """Its records leave rows: each of them, however long nobody read; or those that are the newest of their key."""


REACHES: Final[Mapping[Topic, Reach]] = {
    topics.LIQUIDATIONS: Reach(past_ns=11 * MINUTE_NS),
    topics.TRADES: Reach(past_ns=40 * SECOND_NS),
    topics.FUNDING: Reach(past_ns=11 * MINUTE_NS),
    topics.OPEN_INTEREST: Reach(past_ns=75 * MINUTE_NS),
    topics.CANDLES: Reach(past_ns=DAY_NS + 10 * MINUTE_NS),
    topics.GAPS: Reach(),
    topics.METRICS: Reach(past_ns=15 * MINUTE_NS),
    topics.QUALITY: Reach(past_ns=MINUTE_NS),
    topics.READINGS: Reach(past_ns=15 * MINUTE_NS, rows="newest"),
    topics.OUTCOMES: Reach(rows="all"),
}
"""Trades are the bulk, and only their last half minute is in a window. Ranks of funding and open interest fill anew.

Readings come once a second for each market and layer; one of a long bar that is missed is made up for by the next.
"""
PATIENT: Final = frozenset({topics.TRADES.name, topics.FUNDING.name})
"""These let time pass in bursts: they are not read before the liquidations that were there at the start."""


class Log(Struct, frozen=True, kw_only=True):
    """One partition at a start, in offsets."""

    first: int
    end: int
    told: int
    """Of the first record that is `TOLD_NS` old or younger; the end where there is none."""
    past: int
    """Of the first record that windows of then, or rows, need; the end where there is none."""
    stored: int | None


class Start(Struct, frozen=True):
    """Where to go."""

    begin: int
    """The first record to read."""
    heard: int
    """The first one to tell of."""


def start(reach: Reach, log: Log) -> Start:
    """Return where to begin: within the log; nothing is told of what was there before anybody listened."""
    heard = log.end if log.stored is None else max(log.stored, log.told)
    match reach.rows:
        case "all":
            begin = log.first if log.stored is None else log.stored
        case "newest":
            begin = max(log.past, log.stored or 0)
        case None:
            begin = min(log.past, heard)
    return Start(max(log.first, begin), heard)


def back_ns(reach: Reach, stored: int | None) -> int:
    """Return how long ago the record of `Log.past` was written."""
    return reach.past_ns if stored is None or reach.rows is not None else reach.past_ns + TOLD_NS
