"""What a screener knows of each market: a literal table of typed columns, their sources and units. Pure."""

from enum import StrEnum, unique
from typing import Final

from msgspec import Struct


@unique
class Type(StrEnum):
    """What a column holds; every column may be absent."""

    NUMBER = "number"
    WORD = "word"
    TRUTH = "truth"


class Column(Struct, frozen=True, kw_only=True):
    """One column."""

    type: Type = Type.NUMBER
    layer: str = ""
    """Of whose reading; empty: of the market's newest signal, flows or feed."""
    fact: str = ""
    """Which of its facts; `score` and `confidence` are the reading's own."""
    unit: str
    meaning: str


def _score(layer: str) -> Column:
    return Column(layer=layer, fact="score", unit="-1 to 1", meaning=f"score of the layer `{layer}`")


def _fact(layer: str, fact: str, unit: str, meaning: str, type: Type = Type.NUMBER) -> Column:  # noqa: A002  # the word
    return Column(type=type, layer=layer, fact=fact, unit=unit, meaning=meaning)


def _own(unit: str, meaning: str, type: Type = Type.NUMBER) -> Column:  # noqa: A002  # the word
    return Column(type=type, unit=unit, meaning=meaning)


COLUMNS: Final[dict[str, Column]] = {
    "price": _own("quote", "last trade"),
    "price_age_s": _own("s", "since the gateway got it"),
    "stale": _own("", "nothing of the market came lately", Type.TRUTH),
    "grade": _own("a to f", "how well its venue is heard", Type.WORD),
    "label": _own("", "of the newest signal: strong_buy to strong_sell", Type.WORD),
    "direction": _own("", "of the newest signal: long, short or neutral", Type.WORD),
    "score": _own("-1 to 1", "of the newest signal"),
    "confidence": _own("0 to 1", "of the newest signal; no probability"),
    "decision": _own("", "of the judge of that signal: publish or withhold", Type.WORD),
    "signal_age_s": _own("s", "since the gateway got that signal"),
    "funding_rate": _own("fraction an interval", "as the venue last said it"),
    "basis_bp": _own("basis points", "mark less index of one message, over the index"),
    "open_interest_base": _own("base", "one side counted"),
    "open_interest_notional": _own("quote", "one side counted"),
    "smc_score": _score("smc"),
    "cvd_score": _score("cvd"),
    "order_flow_score": _score("order_flow"),
    "technicals_score": _score("technicals"),
    "timeframes_score": _score("timeframes"),
    "fibonacci_score": _score("fibonacci"),
    "liquidity_score": _score("liquidity"),
    "factors_score": _score("factors"),
    "regime": _fact("technicals", "regime", "", "trend, range, volatile or quiet", Type.WORD),
    "rsi_14": _fact("technicals", "rsi_14", "0 to 100", "relative strength, Wilder"),
    "macd_histogram": _fact("technicals", "macd_histogram", "quote", "MACD less its signal line"),
    "adx_14": _fact("technicals", "adx_14", "0 to 100", "how much of the movement goes one way"),
    "atr_14": _fact("technicals", "atr_14", "quote", "average true range"),
    "atr_rank": _fact("technicals", "regime_atr_rank", "0 to 1", "rank of ATR over price in the newest 200 bars"),
    "bb_width": _fact("technicals", "bb_width", "share", "width of the Bollinger bands over their middle"),
    "squeeze_bars": _fact("technicals", "squeeze_bars", "bars", "how long the bands have lain within the channel"),
    "supertrend_side": _fact("technicals", "supertrend_side", "+1, -1", "+1 below the price"),
    "trend_bias": _fact("smc", "trend_bias", "+1, 0, -1", "of the large structure"),
    "range_label": _fact("smc", "range_label", "", "premium, discount, equilibrium or outside", Type.WORD),
    "divergence": _fact("cvd", "divergence", "", "the last one of volume delta against price", Type.WORD),
    "agreement": _fact("timeframes", "agreement", "", "of the trends of all timeframes"),
    "price_change_24h": _fact("factors", "price_change_24h", "fraction", "0.01 is one percent"),
    "open_interest_change_24h": _fact("factors", "open_interest_change_24h", "fraction", "0.01 is one percent"),
    "funding_rate_8h": _fact("factors", "funding_rate_8h", "fraction", "the rate, as of eight hours"),
    "liquidated_long_24h": _fact("factors", "liquidated_long_24h_quote", "quote", "longs liquidated, as far as told"),
    "liquidated_short_24h": _fact(
        "factors", "liquidated_short_24h_quote", "quote", "shorts liquidated, as far as told"
    ),
    "accounts_long_share": _fact("factors", "accounts_long_share", "0 to 1", "accounts that are net long"),
    "top_positions_long_share": _fact("factors", "top_positions_long_share", "0 to 1", "of the largest accounts"),
    "fear_greed": _fact("factors", "fear_greed_points", "0 to 100", "mood of the whole market"),
    "galaxy_score": _fact("factors", "social_galaxy_score", "0 to 100", "LunarCrush's score"),
}
"""A new column is a row here; its fact is kept from the next reading on."""

FACTS: Final[dict[str, tuple[str, ...]]] = {
    layer: tuple(
        dict.fromkeys(
            column.fact
            for column in COLUMNS.values()
            if column.layer == layer and column.fact not in ("score", "confidence")
        )
    )
    for layer in dict.fromkeys(column.layer for column in COLUMNS.values() if column.layer)
}
"""By layer, the facts that the screener's cells keep."""

REGIME_FACTS: Final = ("regime_bars", "regime_asked", "regime_adx_14", "regime_band_width_rank")
"""Kept of `technicals` besides."""

SHOWN: Final = (
    "price",
    "price_change_24h",
    "label",
    "score",
    "confidence",
    "regime",
    "rsi_14",
    "funding_rate",
    "open_interest_change_24h",
    "grade",
)
"""Columns of an answer that names none."""
