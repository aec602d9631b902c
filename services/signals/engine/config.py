"""What the engine is told before it starts: every number that is a choice, and a digest that names the choice."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from math import inf
from types import MappingProxyType
from typing import Final

import msgspec
from msgspec import Struct

from libs.common.events import DAY_NS, SECOND_NS, Timeframe
from services.signals.engine.confluence.artefact import Artefact
from services.signals.engine.parameters.confluence import ConfluenceParameters
from services.signals.engine.parameters.cvd import CvdParameters
from services.signals.engine.parameters.factors import FactorsParameters
from services.signals.engine.parameters.fibonacci import FibonacciParameters
from services.signals.engine.parameters.liquidity import LiquidityParameters
from services.signals.engine.parameters.order_flow import OrderFlowParameters
from services.signals.engine.parameters.plan import PlanParameters
from services.signals.engine.parameters.regime import RegimeParameters
from services.signals.engine.parameters.smc import SmcParameters
from services.signals.engine.parameters.technicals import TechnicalsParameters
from services.signals.engine.parameters.timeframes import TimeframesParameters

ENGINE_VERSION: Final = "2"
"""Grows whenever equal inputs may give other outputs; it is a part of every signal's id."""


class Weight(Struct, frozen=True, kw_only=True):
    """How much one layer counts in the signals of some timeframes."""

    layer: str
    group: str
    """Layers of one group look at the same thing; together they count at most `confluence.group_cap`."""
    timeframes: tuple[Timeframe, ...]
    weight: float


_MINUTE: Final = (Timeframe.M1,)
_SHORT: Final = (Timeframe.M5, Timeframe.M15)
_LONG: Final = (Timeframe.H1, Timeframe.H4, Timeframe.D1, Timeframe.W1)

WEIGHTS: Final = (
    Weight(layer="cvd", group="flow", timeframes=_MINUTE, weight=0.25),
    Weight(layer="cvd", group="flow", timeframes=_SHORT, weight=0.20),
    Weight(layer="cvd", group="flow", timeframes=(Timeframe.H1,), weight=0.10),
    Weight(layer="order_flow", group="flow", timeframes=_MINUTE, weight=0.20),
    Weight(layer="order_flow", group="flow", timeframes=(Timeframe.M5,), weight=0.10),
    Weight(layer="technicals", group="trend", timeframes=_MINUTE, weight=0.25),
    Weight(layer="technicals", group="trend", timeframes=_SHORT, weight=0.25),
    Weight(layer="technicals", group="trend", timeframes=_LONG, weight=0.35),
    Weight(layer="timeframes", group="trend", timeframes=(*_MINUTE, *_SHORT, *_LONG), weight=0.10),
    Weight(layer="smc", group="structure", timeframes=(*_SHORT, *_LONG), weight=0.25),
    Weight(layer="fibonacci", group="structure", timeframes=(*_SHORT, *_LONG), weight=0.05),
    Weight(layer="liquidity", group="liquidity", timeframes=(*_MINUTE, *_SHORT), weight=0.10),
    Weight(layer="liquidity", group="liquidity", timeframes=(Timeframe.H1,), weight=0.05),
)
"""Priors, not findings. The book says nothing beyond five minutes, the tape of five minutes nothing beyond an hour."""


BESIDE: Final = ("factors",)
"""Layers whose readings stand in every signal for information, and count in none."""

HORIZONS: Final = {
    "order_flow": (Timeframe.M1, Timeframe.M5),
    "smc": (*_SHORT, *_LONG),
    "fibonacci": (*_SHORT, *_LONG),
}
"""Where alone a layer may count: the book's pressure lasts minutes, and structure needs bars longer than a minute."""


class EngineConfig(Struct, frozen=True, kw_only=True):
    """Every choice of the engine; two engines with one digest and one version give equal outputs for equal inputs."""

    timeframes: tuple[Timeframe, ...] = tuple(Timeframe)
    """Whose candles and signals are said."""
    weights: tuple[Weight, ...] = WEIGHTS
    model: Artefact | None = None
    """A trained network: it decides once its gate is passed, else it is a challenger."""

    cvd: CvdParameters = CvdParameters()
    order_flow: OrderFlowParameters = OrderFlowParameters()
    technicals: TechnicalsParameters = TechnicalsParameters()
    smc: SmcParameters = SmcParameters()
    timeframe_agreement: TimeframesParameters = TimeframesParameters()
    fibonacci: FibonacciParameters = FibonacciParameters()
    liquidity: LiquidityParameters = LiquidityParameters()
    factors: FactorsParameters = FactorsParameters()
    regime: RegimeParameters = RegimeParameters()
    confluence: ConfluenceParameters = ConfluenceParameters()
    plan: PlanParameters = PlanParameters()

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

    def __post_init__(self) -> None:
        """Refuse weights that no scorecard can hold.

        Raises:
            ValueError: a weight is not positive, is said twice, or lies outside its layer's horizon.
        """
        seen: set[tuple[str, Timeframe]] = set()
        for row in self.weights:
            if not 0 < row.weight < inf:
                raise ValueError(f"the weight of {row.layer} must be a number above zero, not {row.weight}")
            for timeframe in row.timeframes:
                allowed = HORIZONS.get(row.layer, tuple(Timeframe))
                if timeframe not in allowed:
                    raise ValueError(f"{row.layer} may not count in {timeframe}, only in {', '.join(allowed)}")
                if (row.layer, timeframe) in seen:
                    raise ValueError(f"{row.layer} has two weights in {timeframe}")
                seen.add((row.layer, timeframe))

    def digest(self) -> str:
        """Return the first 12 hex digits of the SHA-256 of the canonical JSON."""
        return _digest(self)

    def weights_of(self, timeframe: Timeframe) -> Mapping[str, Weight]:
        """Return the rows that count for `timeframe`, by layer, in the order of configuration."""
        return _weights(self.weights, timeframe)


@lru_cache
def _digest(config: EngineConfig) -> str:
    return hashlib.sha256(msgspec.json.encode(config, order="sorted")).hexdigest()[:12]


@lru_cache
def _weights(weights: tuple[Weight, ...], timeframe: Timeframe) -> Mapping[str, Weight]:
    return MappingProxyType({row.layer: row for row in weights if timeframe in row.timeframes})
