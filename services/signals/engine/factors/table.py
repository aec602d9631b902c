"""The table of factors: one file and one row each; the weights sum to 100."""

from typing import Final

from services.signals.engine.factors import (
    fear_greed,
    funding,
    liquidations,
    long_short,
    momentum,
    open_interest,
    smart_money,
    social,
)
from services.signals.engine.factors.factor import Factor

FACTORS: Final = (
    Factor("liquidations", 24, liquidations.judge),
    Factor("momentum", 20, momentum.judge),
    Factor("funding", 18, funding.judge),
    Factor("long_short", 11, long_short.judge),
    Factor("smart_money", 11, smart_money.judge),
    Factor("open_interest", 6, open_interest.judge),
    Factor("social", 6, social.judge),
    Factor("fear_greed", 4, fear_greed.judge),
)
