"""One thing that may be told to people: its kind, its market, and facts under catalogued names."""

from enum import StrEnum
from typing import TypeAlias

from msgspec import Struct

from libs.common.events import Origin, Verdict

Fact: TypeAlias = float | str | bool
"""A value that a condition may use; one that could not be computed is left out of the facts."""


class Kind(StrEnum):
    """What rules, mutes and preferences are by."""

    SIGNAL = "signal"
    OUTCOME = "outcome"
    LIQUIDATION = "liquidation"
    WHALE = "whale"
    FUNDING = "funding"
    OPEN_INTEREST = "open_interest"
    SPIKE = "spike"
    GAP = "gap"
    FEED = "feed"
    METRIC = "metric"
    SYSTEM = "system"


class Subject(Struct, frozen=True, kw_only=True):
    """One thing as of one moment."""

    kind: Kind
    venue: str
    symbol: str
    at_ns: int
    """Event time."""
    facts: dict[str, Fact]
    key: str
    """What an episode is kept under: the same condition about the same key is one story."""
    origin: Origin = Origin.LIVE
    valid_s: int = 900
    """How long it is worth telling, from when it is known."""
    verdict: Verdict | None = None
    """Of kind SIGNAL."""
