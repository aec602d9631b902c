"""What the layer `technicals` is told."""

from typing import Final

from msgspec import Struct

_TREND_WEIGHTS: Final = (
    ("ema_stack", 0.25),
    ("macd", 0.15),
    ("directional", 0.15),
    ("momentum", 0.1),
    ("supertrend", 0.1),
    ("ichimoku", 0.1),
    ("sar", 0.05),
    ("obv", 0.1),
    ("breakout", 0.15),
    ("hidden_divergence", 0.1),
)
_REVERSION_WEIGHTS: Final = (
    ("bands", 0.25),
    ("rsi", 0.25),
    ("stochastic", 0.1),
    ("williams", 0.05),
    ("cci", 0.1),
    ("vwap", 0.25),
    ("divergence", 0.25),
)
_TREND_SHARES: Final = (
    ("trend", 0.7, 1.0),
    ("volatile", 0.5, 0.8),
    ("quiet", 0.3, 0.6),
    ("range", 0.2, 0.5),
    ("warming_up", 0.5, 1.0),
)


class TechnicalsParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""

    trend_weights: tuple[tuple[str, float], ...] = _TREND_WEIGHTS
    reversion_weights: tuple[tuple[str, float], ...] = _REVERSION_WEIGHTS
    """Of the members of each family; those that are absent give theirs up to the others."""
    trend_shares: tuple[tuple[str, float, float], ...] = _TREND_SHARES
    """What the trend family weighs in each regime, at and below `quiet_adx`, at and above `trending_adx`."""
    quiet_adx: float = 15.0
    trending_adx: float = 35.0
    warm_bars: int = 200
    """Bars after which every average of the layer speaks, and it is sure."""
    macd_gain: float = 4.0
    """A histogram of a quarter of the ATR counts tanh(1)."""
    band_limit: float = 2.0
    band_width: float = 1.0
    """Standard deviations: stretched beyond the limit, wholly so a width further; so all pairs below."""
    rsi_limit: float = 20.0
    rsi_width: float = 30.0
    """Points from 50."""
    stochastic_limit: float = 30.0
    stochastic_width: float = 20.0
    """Points from 50; of Williams %R too, from -50."""
    cci_limit: float = 100.0
    cci_width: float = 100.0
    vwap_limit: float = 2.0
    vwap_width: float = 1.0
    """Deviations around the VWAP."""
    vwap_least_bars: int = 12
    """Bars of the day before its VWAP has a say."""
    squeeze_least_bars: int = 5
    breakout_bars: int = 5
    """Bars after a squeeze of at least that length in which a close beyond a band is its breakout."""
    breakout_horizon_bars: float = 5.0
    divergence_horizon_bars: float = 10.0
    """Both count 1/e after so many bars."""
    forget_horizons: float = 3.0
    """After so many horizons they are gone."""
    pivot_wing: int = 5
    pivot_least_bars: int = 5
    pivot_most_bars: int = 60
    """Between the two pivots of a divergence."""
    pivot_least_move_atr: float = 0.25
