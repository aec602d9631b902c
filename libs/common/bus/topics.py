"""The table of topics: what is said on each, how it is split and how long it is kept. Pure."""

from typing import Final, TypeAlias

from msgspec import Struct

from libs.common.events import (
    AlertRule,
    BookDelta,
    BookSnapshot,
    Candle,
    Delivery,
    Event,
    FeedQuality,
    FundingRate,
    Gap,
    LayerReading,
    Liquidation,
    Listing,
    MarkPrice,
    Metric,
    OpenInterest,
    Outcome,
    Profile,
    Reject,
    Signal,
    Trade,
    Verdict,
)
from libs.common.events.catalogue import MARKET_WIDE

MARKET_PARTITIONS: Final = 12
"""One number for all `market.*`: the range assignor then gives one symbol's whole market to one process."""

LARGE_MESSAGE_BYTES: Final = 8 * 1024 * 1024
"""Largest record of a topic marked `large`; the state of a partition's engine is a few MiB at most."""

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS

EventType: TypeAlias = type[Struct]


class Topic(Struct, frozen=True, kw_only=True):
    """One topic, as it must exist on every broker."""

    name: str
    carries: tuple[EventType, ...]
    """Types of event on it; empty for a topic whose records are private to its writer."""
    partitions: int
    retention_ms: int | None
    """None keeps forever."""
    compact: bool = False
    large: bool = False
    """Records may be larger than a broker's usual 1 MiB."""

    @property
    def config(self) -> dict[str, str]:
        """The broker's settings for this topic, in Kafka's own names."""
        if self.compact and self.retention_ms is not None:
            policy = "compact,delete"
        elif self.compact:
            policy = "compact"
        else:
            policy = "delete"
        retention = -1 if self.retention_ms is None else self.retention_ms
        config = {"cleanup.policy": policy, "retention.ms": str(retention)}
        if self.retention_ms is None:
            config["retention.bytes"] = "-1"
        if self.large:
            config["max.message.bytes"] = str(LARGE_MESSAGE_BYTES)
            config["segment.bytes"] = str(2 * LARGE_MESSAGE_BYTES)  # what is still written to is never compacted
        return config


def _market(name: str, *carries: EventType, retention_ms: int, compact: bool = False) -> Topic:
    return Topic(name=name, carries=carries, partitions=MARKET_PARTITIONS, retention_ms=retention_ms, compact=compact)


TRADES: Final = _market("market.trades.v1", Trade, retention_ms=_DAY_MS)
BOOKS: Final = _market("market.books.v1", BookSnapshot, BookDelta, retention_ms=6 * _HOUR_MS)
LIQUIDATIONS: Final = _market("market.liquidations.v1", Liquidation, retention_ms=7 * _DAY_MS)
CANDLES: Final = _market("market.candles.v1", Candle, retention_ms=30 * _DAY_MS, compact=True)
FUNDING: Final = _market("market.funding.v1", FundingRate, MarkPrice, retention_ms=7 * _DAY_MS)
OPEN_INTEREST: Final = _market("market.open-interest.v1", OpenInterest, retention_ms=7 * _DAY_MS)
GAPS: Final = _market("market.gaps.v1", Gap, retention_ms=30 * _DAY_MS)
METRICS: Final = _market("market.metrics.v1", Metric, retention_ms=7 * _DAY_MS)

INSTRUMENTS: Final = Topic(
    name="market.instruments.v1", carries=(Listing,), partitions=MARKET_PARTITIONS, retention_ms=None, compact=True
)
"""What venues list; partitioned as the markets are, but no part of what the engine folds."""

MARKET: Final = (TRADES, BOOKS, LIQUIDATIONS, CANDLES, FUNDING, OPEN_INTEREST, GAPS, METRICS)

READINGS: Final = Topic(
    name="signals.readings.v1", carries=(LayerReading,), partitions=6, retention_ms=None, compact=True
)
SIGNALS: Final = Topic(name="signals.signals.v1", carries=(Signal,), partitions=6, retention_ms=30 * _DAY_MS)
VERDICTS: Final = Topic(name="signals.verdicts.v1", carries=(Verdict,), partitions=6, retention_ms=30 * _DAY_MS)
OUTCOMES: Final = Topic(name="signals.outcomes.v1", carries=(Outcome,), partitions=6, retention_ms=None)
PROFILES: Final = Topic(
    name="signals.profiles.v1", carries=(Profile,), partitions=6, retention_ms=_DAY_MS, compact=True
)
STATE: Final = Topic(
    name="signals.state.v1",
    carries=(),
    partitions=MARKET_PARTITIONS,
    retention_ms=None,
    compact=True,
    large=True,
)
JOURNAL: Final = Topic(name="signals.journal.v1", carries=(), partitions=MARKET_PARTITIONS, retention_ms=7 * _DAY_MS)
QUALITY: Final = Topic(name="ingest.quality.v1", carries=(FeedQuality,), partitions=1, retention_ms=7 * _DAY_MS)
POSITIONS: Final = Topic(name="ingest.positions.v1", carries=(), partitions=1, retention_ms=None, compact=True)
RULES: Final = Topic(name="alerts.rules.v1", carries=(AlertRule,), partitions=3, retention_ms=None, compact=True)
DELIVERIES: Final = Topic(name="alerts.deliveries.v1", carries=(Delivery,), partitions=3, retention_ms=30 * _DAY_MS)


def _rejects(domain: str) -> Topic:
    return Topic(name=f"{domain}.rejects.v1", carries=(Reject,), partitions=1, retention_ms=14 * _DAY_MS)


MARKET_REJECTS: Final = _rejects("market")
SIGNALS_REJECTS: Final = _rejects("signals")
ALERTS_REJECTS: Final = _rejects("alerts")
GATEWAY_REJECTS: Final = _rejects("gateway")

TOPICS: Final = (
    *MARKET,
    INSTRUMENTS,
    QUALITY,
    READINGS,
    SIGNALS,
    VERDICTS,
    OUTCOMES,
    PROFILES,
    STATE,
    JOURNAL,
    POSITIONS,
    RULES,
    DELIVERIES,
    MARKET_REJECTS,
    SIGNALS_REJECTS,
    ALERTS_REJECTS,
    GATEWAY_REJECTS,
)
"""Every topic of the system."""

_BY_TYPE: Final = {kind: topic for topic in TOPICS for kind in topic.carries if kind is not Reject}


def topic_of(event: Event) -> Topic:
    """Return the topic on which `event` belongs; rejects have one a domain and are named by their writer."""
    return _BY_TYPE[type(event)]


def key_of(event: Event) -> bytes:
    """Return the record key: the symbol, but for compacted topics, whose key is what replaces what.

    Compacted topics keep one record a key; there the symbol leads, and the partitioner hashes the symbol alone
    (`partition_key`), so that one symbol's records of all topics share a partition number.
    """
    match event:
        case Candle():
            key = f"{event.symbol}|{event.venue}|{event.timeframe}|{event.open_ns}|{event.source}"
        case Listing():
            key = f"{event.symbol}|{event.venue}"
        case FeedQuality():
            key = event.venue
        case LayerReading():
            key = f"{event.symbol}|{event.venue}|{event.layer}|{event.timeframe or ''}"
        case Profile():
            key = f"{event.symbol}|{event.venue}|{event.kind}"
        case AlertRule():
            key = event.rule_id
        case Delivery():
            key = event.alert_id
        case Reject():
            key = event.origin_of
        case _:
            key = str(getattr(event, "symbol", ""))
    return key.encode()


def partitions_of(topic: Topic, key: bytes) -> tuple[int | None, ...]:
    """Return where a record goes: None leaves it to the key; what is about every market goes to every partition.

    A reader owns some partitions only, and must know what is about all markets wherever its own stand.
    """
    if partition_key(key) == MARKET_WIDE.encode():
        return tuple(range(topic.partitions))
    return (None,)


def partition_key(key: bytes) -> bytes:
    """Return the part of a record key that decides its partition: the symbol before the first `|`."""
    return key.partition(b"|")[0]
