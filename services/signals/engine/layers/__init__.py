"""The table of layers: one file and one row each."""

from typing import Final, TypeAlias

from services.signals.engine.layers.cvd import Cvd
from services.signals.engine.layers.order_flow import OrderFlow
from services.signals.engine.layers.technicals import Technicals

TickState: TypeAlias = Cvd | OrderFlow
"""What a dump may hold: every layer of TICK_LAYERS."""

TICK_LAYERS: Final = (Cvd, OrderFlow)
BAR_LAYERS: Final = (Technicals,)
LAYERS: Final = (*TICK_LAYERS, *BAR_LAYERS)
