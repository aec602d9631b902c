"""What the layer `order_flow` is told."""

from msgspec import Struct

from libs.common.events import SECOND_NS


class OrderFlowParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""

    levels: int = 5
    horizon_ns: int = 30 * SECOND_NS
    stale_ns: int = 10 * SECOND_NS
