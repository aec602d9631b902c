"""The tables of layers: one file and one row each."""

from typing import Final, TypeAlias

from services.signals.engine.layers.cvd import Cvd
from services.signals.engine.layers.cvd_bars import CvdBars
from services.signals.engine.layers.factors import Factors
from services.signals.engine.layers.fibonacci import Fibonacci
from services.signals.engine.layers.liquidity import Liquidity
from services.signals.engine.layers.order_flow import OrderFlow
from services.signals.engine.layers.smc import Smc
from services.signals.engine.layers.technicals import Technicals
from services.signals.engine.layers.timeframes import Timeframes

TickState: TypeAlias = Cvd | OrderFlow | Liquidity | Factors
BarState: TypeAlias = Smc | CvdBars | Technicals | Timeframes | Fibonacci
"""What a dump may hold: every layer of the tables below."""

TICK_LAYERS: Final[tuple[type[TickState], ...]] = (Cvd, OrderFlow, Liquidity, Factors)
"""Those that listen to the market as it happens."""
BAR_LAYERS: Final[tuple[type[BarState], ...]] = (Smc, CvdBars, Technicals, Timeframes, Fibonacci)
"""Those that read closed bars; each may look at the marks of those before it."""
LAYERS: Final = tuple(dict.fromkeys(layer.name for layer in (*TICK_LAYERS, *BAR_LAYERS)))
"""Their names."""
