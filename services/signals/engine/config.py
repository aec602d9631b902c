"""What the engine is told before it starts: every number that is a choice, and a digest that names the choice."""

import hashlib
from typing import Final

import msgspec
from msgspec import Struct

from libs.common.events import DAY_NS, MINUTE_NS, SECOND_NS, Timeframe

ENGINE_VERSION: Final = "1"
"""Grows whenever equal inputs may give other outputs; it is a part of every signal's id."""


class Weight(Struct, frozen=True, kw_only=True):
    """How much one layer counts in the signals of some timeframes."""

    layer: str
    timeframes: tuple[Timeframe, ...]
    weight: float


_SHORT: Final = (Timeframe.M1, Timeframe.M5)
_LONG: Final = (Timeframe.H4, Timeframe.D1, Timeframe.W1)

WEIGHTS: Final = (
    Weight(layer="cvd", timeframes=(*_SHORT, Timeframe.M15), weight=0.30),
    Weight(layer="cvd", timeframes=(Timeframe.H1,), weight=0.15),
    Weight(layer="order_flow", timeframes=_SHORT, weight=0.25),
    Weight(layer="technicals", timeframes=_SHORT, weight=0.45),
    Weight(layer="technicals", timeframes=(Timeframe.M15,), weight=0.70),
    Weight(layer="technicals", timeframes=(Timeframe.H1,), weight=0.85),
    Weight(layer="technicals", timeframes=_LONG, weight=1.00),
)
"""Priors, not findings. The book says nothing beyond five minutes, the tape of five minutes nothing beyond an hour."""


class EngineConfig(Struct, frozen=True, kw_only=True):
    """Every choice of the engine; two engines with one digest and one version give equal outputs for equal inputs."""

    timeframes: tuple[Timeframe, ...] = tuple(Timeframe)
    """Whose candles and signals are said."""
    weights: tuple[Weight, ...] = WEIGHTS
    min_coverage: float = 0.6
    """Least share of the weights that must speak; below it the engine abstains."""
    signal_score: float = 0.25
    """Least absolute score of a BUY or SELL."""
    strong_score: float = 0.5
    """Least absolute score of a STRONG BUY or STRONG SELL."""

    close_grace_ns: int = 2 * SECOND_NS
    """How far other streams must be past a bar's end to close it without a further trade."""
    max_fill_ns: int = DAY_NS
    """Longest silence that is filled with flat bars; a longer one counts as a hole."""
    history_bars: int = 600
    """Closed bars remembered per timeframe."""
    dedupe_ids: int = 10_000
    """Most trade ids remembered; at least half as many."""
    max_book_levels: int = 5_000
    """Most levels remembered a side."""

    reading_interval_ns: int = SECOND_NS
    """Least event time between two readings of one tick layer."""
    cvd_horizon_ns: int = 5 * MINUTE_NS
    cvd_stale_ns: int = 2 * MINUTE_NS
    """Without a trade for this long, the tape is silent, and says nothing."""
    flow_levels: int = 5
    flow_horizon_ns: int = 30 * SECOND_NS
    flow_stale_ns: int = 10 * SECOND_NS

    fee_rate: float = 0.0005
    """Taker fee a side, as a fraction of the notional."""
    entry_atr: float = 0.1
    """Half the width of the entry zone."""
    stop_atr: float = 1.5
    """Distance of a stop that no structure supports."""
    stop_min_atr: float = 0.5
    stop_max_atr: float = 3.0
    """A swing counts as a stop's basis only between these distances."""
    stop_buffer_atr: float = 0.1
    """How far behind the swing the stop lies."""
    swing_bars: int = 2
    """Bars on each side that a swing's extreme must exceed."""
    swing_lookback: int = 60
    """Closed bars in which swings are looked for."""
    target_r: tuple[float, float, float] = (1.0, 2.0, 3.0)
    """Targets, as multiples of the distance to the stop."""
    expiry_bars: int = 12

    def digest(self) -> str:
        """Return the first 12 hex digits of the SHA-256 of the canonical JSON."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:12]

    def weights_of(self, timeframe: Timeframe) -> dict[str, float]:
        """Return the weights that count for `timeframe`, in the order of configuration."""
        return {row.layer: row.weight for row in self.weights if timeframe in row.timeframes}
