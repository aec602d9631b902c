"""What the layer `cvd` is told."""

from msgspec import Struct

from libs.common.events import MINUTE_NS


class CvdParameters(Struct, frozen=True, kw_only=True):
    """Choices, not findings."""

    horizon_ns: int = 5 * MINUTE_NS
    stale_ns: int = 2 * MINUTE_NS
    """Without a trade for this long, the tape is silent, and says nothing."""
