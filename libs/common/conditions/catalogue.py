"""The names that a condition may use, in; type, unit, kinds and meaning out: the only place where they are defined.

A fact that could not be computed is left out of a subject, so each of them may be absent.
"""

from typing import Final, TypeAlias

from msgspec import Struct

from libs.common.conditions.subjects import Kind
from libs.common.events import (
    Barrier,
    Direction,
    Grade,
    Label,
    Side,
    Timeframe,
)
from libs.common.events.catalogue import METRICS as _VENDORS

FactType: TypeAlias = type[float] | type[str] | type[bool]


class Metric(Struct, frozen=True):
    """What a name stands for."""

    type: FactType
    unit: str
    kinds: frozenset[Kind]
    meaning: str
    source: str
    """The events' fields it is read or computed from: `Signal.score`; or the process that says it."""
    values: tuple[str, ...] = ()
    """Of a text, all it can be; empty where that is open."""


_ALL: Final = frozenset(Kind)
_MARKETS: Final = _ALL - {Kind.SYSTEM}
_SIGNAL: Final = frozenset({Kind.SIGNAL})
_OUTCOME: Final = frozenset({Kind.OUTCOME})
_JUDGED: Final = _SIGNAL | _OUTCOME
_LIQUIDATION: Final = frozenset({Kind.LIQUIDATION})
_WHALE: Final = frozenset({Kind.WHALE})
_FUNDING: Final = frozenset({Kind.FUNDING})
_OPEN_INTEREST: Final = frozenset({Kind.OPEN_INTEREST})
_SPIKE: Final = frozenset({Kind.SPIKE})
_GAP: Final = frozenset({Kind.GAP})
_FEED: Final = frozenset({Kind.FEED})
_METRIC: Final = frozenset({Kind.METRIC})
_SYSTEM: Final = frozenset({Kind.SYSTEM})
_FORCED: Final = "Liquidation.price Liquidation.size Liquidation.liquidated"
_PRINTS: Final = "Trade.price Trade.size Trade.side"

METRICS: Final[dict[str, Metric]] = {
    "symbol": Metric(str, "text", _MARKETS, "the market: BTC-USDT-PERP", "Trade.symbol Signal.symbol"),
    "venue": Metric(str, "text", _MARKETS, "where it trades, or whose number it is", "Trade.venue Signal.venue"),
    "timeframe": Metric(
        str, "text", _JUDGED, "the bars it is about", "Signal.timeframe Outcome.timeframe", (*Timeframe,)
    ),
    "label": Metric(str, "text", _SIGNAL, "the score in words", "Signal.label", (*Label,)),
    "direction": Metric(str, "text", _SIGNAL, "where it points", "Signal.direction", (*Direction,)),
    "score": Metric(float, "-1 to 1", _SIGNAL, "what all layers say; the sign is the direction", "Signal.score"),
    "abs_score": Metric(float, "0 to 1", _SIGNAL, "the score without its sign", "Signal.score"),
    "confidence": Metric(float, "0 to 1", _SIGNAL, "how many layers spoke and how surely", "Signal.confidence"),
    "probability": Metric(
        float, "fraction", _SIGNAL, "of the direction; worth what its status says", "Signal.probability"
    ),
    "probability_status": Metric(
        str, "text", _SIGNAL, "`unproven`, or what proved the probability", "Signal.probability_status"
    ),
    "model": Metric(str, "text", _SIGNAL, "what decided: `scorecard`, or a model and its hash", "Signal.model"),
    "regime": Metric(
        str, "text", _SIGNAL, "how the market moves", "Signal.regime", ("trend", "range", "volatile", "quiet")
    ),
    "conflict": Metric(float, "0 to 0.5", _SIGNAL, "share of the evidence that speaks against it", "Signal.conflict"),
    "effective_layers": Metric(float, "count", _SIGNAL, "how many independent voices spoke", "Signal.effective_layers"),
    "layer_smc": Metric(float, "-1 to 1", _SIGNAL, "the layer's score: market structure", "Contribution.score"),
    "layer_cvd": Metric(float, "-1 to 1", _SIGNAL, "the layer's score: volume delta", "Contribution.score"),
    "layer_order_flow": Metric(float, "-1 to 1", _SIGNAL, "the layer's score: order flow", "Contribution.score"),
    "layer_technicals": Metric(float, "-1 to 1", _SIGNAL, "the layer's score: indicators", "Contribution.score"),
    "layer_timeframes": Metric(float, "-1 to 1", _SIGNAL, "the layer's score: other timeframes", "Contribution.score"),
    "layer_fibonacci": Metric(float, "-1 to 1", _SIGNAL, "the layer's score: retracements", "Contribution.score"),
    "layer_liquidity": Metric(float, "-1 to 1", _SIGNAL, "the layer's score: liquidity", "Contribution.score"),
    "break_even": Metric(
        float, "fraction", _SIGNAL, "hit rate at the first target that pays the fees", "Plan.break_even_hit_rate"
    ),
    "reward_to_risk": Metric(float, "ratio", _SIGNAL, "at the first target, after fees", "Target.reward_to_risk"),
    "stop_distance_atr": Metric(
        float,
        "ATR",
        _SIGNAL,
        "from the middle of the entry to the stop",
        "Plan.stop Plan.entry_low Plan.entry_high Plan.atr",
    ),
    "barrier": Metric(str, "text", _OUTCOME, "what ended the signal", "Outcome.barrier", (*Barrier,)),
    "r_multiple": Metric(float, "R", _OUTCOME, "profit in units of the risk, after fees", "Outcome.r_multiple"),
    "mfe": Metric(float, "R", _OUTCOME, "how far it went the right way at most", "Outcome.mfe"),
    "mae": Metric(float, "R", _OUTCOME, "how far it went the wrong way at most", "Outcome.mae"),
    "cap_group": Metric(
        str,
        "text",
        _LIQUIDATION | _WHALE,
        "of the coin, as the predecessors grouped them",
        "Trade.symbol",
        ("majors", "large", "mid"),
    ),
    "liq_usd_30s": Metric(float, "USD", _LIQUIDATION, "liquidated within 30 s", _FORCED),
    "liq_long_usd_30s": Metric(float, "USD", _LIQUIDATION, "of longs, within 30 s", _FORCED),
    "liq_short_usd_30s": Metric(float, "USD", _LIQUIDATION, "of shorts, within 30 s", _FORCED),
    "liq_usd_10m": Metric(float, "USD", _LIQUIDATION, "liquidated within 10 min", _FORCED),
    "liq_single_usd": Metric(float, "USD", _LIQUIDATION, "the largest liquidation within 30 s", _FORCED),
    "liq_count_30s": Metric(float, "count", _LIQUIDATION, "liquidations within 30 s", _FORCED),
    "liq_dominance_30s": Metric(float, "0.5 to 1", _LIQUIDATION, "the stronger side's share of them", _FORCED),
    "prints_usd_30s": Metric(float, "USD", _LIQUIDATION, "large trades within 30 s", _PRINTS),
    "prints_buy_usd_30s": Metric(float, "USD", _LIQUIDATION, "of takers that bought", _PRINTS),
    "prints_sell_usd_30s": Metric(float, "USD", _LIQUIDATION, "of takers that sold", _PRINTS),
    "prints_count_30s": Metric(float, "count", _LIQUIDATION, "large trades within 30 s", _PRINTS),
    "prints_dominance_30s": Metric(float, "0.5 to 1", _LIQUIDATION, "the stronger side's share of them", _PRINTS),
    "storm": Metric(bool, "true or false", _LIQUIDATION, "liquidations of one side reach the group's least", _FORCED),
    "cluster": Metric(
        bool, "true or false", _LIQUIDATION, "large trades lean to one side by the group's share", _PRINTS
    ),
    "radar": Metric(float, "0 to 1.3", _LIQUIDATION, "storm and cluster in one number", f"{_FORCED} {_PRINTS}"),
    "radar_alarm": Metric(
        bool, "true or false", _LIQUIDATION, "the radar reaches the group's least", f"{_FORCED} {_PRINTS}"
    ),
    "print_usd": Metric(float, "USD", _WHALE, "one large trade", _PRINTS),
    "print_side": Metric(str, "text", _WHALE, "the taker's side", "Trade.side", (*Side,)),
    "whale_usd_10m": Metric(float, "USD", _WHALE, "positions opened and closed within 10 min", "Metric.value"),
    "funding_rate": Metric(float, "fraction", _FUNDING, "longs pay shorts for one interval", "FundingRate.rate"),
    "funding_bps_8h": Metric(
        float, "basis points", _FUNDING, "the same for 8 hours", "FundingRate.rate FundingRate.interval_s"
    ),
    "funding_rank": Metric(
        float, "0 to 1", _FUNDING, "its place among the last 7 days: 1 is the highest", "FundingRate.rate"
    ),
    "oi_change_1h": Metric(
        float,
        "fraction",
        _OPEN_INTEREST,
        "of the open interest within an hour",
        "OpenInterest.base OpenInterest.contracts OpenInterest.notional",
    ),
    "oi_rank": Metric(
        float,
        "0 to 1",
        _OPEN_INTEREST,
        "its place among the last 7 days: 1 is the highest",
        "OpenInterest.base OpenInterest.contracts OpenInterest.notional",
    ),
    "price_change_5m": Metric(float, "fraction", _SPIKE, "of the price within 5 min", "Candle.close"),
    "volume_ratio_5m": Metric(float, "ratio", _SPIKE, "to the median of the last day's 5 min bars", "Candle.volume"),
    "gap_s": Metric(float, "s", _GAP, "how long the data has a hole", "Gap.from_ns Gap.to_ns"),
    "gap_stream": Metric(str, "text", _GAP, "what has the hole: trades, books", "Gap.stream"),
    "gap_cause": Metric(str, "text", _GAP, "why, in one word", "Gap.cause"),
    "gap_open": Metric(bool, "true or false", _GAP, "it goes on", "Gap.from_ns Gap.to_ns Gap.recovered"),
    "gap_recovered": Metric(bool, "true or false", _GAP, "what was missing has come", "Gap.recovered"),
    "grade": Metric(str, "text", _FEED, "how far the venue's data may be trusted", "FeedQuality.grade", (*Grade,)),
    "coverage_min": Metric(float, "0 to 1", _FEED, "of the stream with the most missing", "StreamQuality.coverage"),
    "staleness_max_s": Metric(
        float, "s", _FEED, "since the quietest stream's newest event", "StreamQuality.staleness_s"
    ),
    "open_gaps": Metric(float, "count", _FEED, "holes that are open", "StreamQuality.open_gaps"),
    "connections_missing": Metric(
        float, "count", _FEED, "that should be open", "FeedQuality.connections FeedQuality.connections_wanted"
    ),
    "clock_offset_s": Metric(float, "s", _FEED, "the venue's clock minus ours", "FeedQuality.clock_offset_s"),
    "feed_stopped": Metric(bool, "true or false", _FEED, "its process ended in order", "FeedQuality.stopped"),
    "exchange": Metric(
        str, "text", _METRIC, "whose number it is; absent where the vendor aggregates", "Metric.exchange"
    ),
    **{
        name: Metric(
            float,
            definition.unit.value,
            _METRIC,
            definition.meaning,
            "Metric.value",
        )
        for name, definition in _VENDORS.items()
    },
    "process": Metric(str, "text", _SYSTEM, "which of ours it is about", "system"),
    "memory_share": Metric(float, "0 to 1", _SYSTEM, "of the memory it may use", "system"),
    "lag": Metric(float, "count", _SYSTEM, "records it has not read yet", "system"),
    "error_rate": Metric(float, "fraction", _SYSTEM, "of what it handled: what failed", "system"),
    "queue_age_s": Metric(float, "s", _SYSTEM, "since the oldest waiting alert was queued", "system"),
    "up": Metric(bool, "true or false", _SYSTEM, "it answers", "system"),
}
