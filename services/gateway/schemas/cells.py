"""What the screener keeps of one reading. Pure."""

from msgspec import Struct

from libs.common.events import Fact, Origin


class Cell(Struct, frozen=True, kw_only=True):
    """What one layer reads of one market, as far as a screener asks."""

    origin: Origin
    score: float
    confidence: float
    facts: dict[str, Fact] = {}
    as_of_ns: int
    seen_ns: int
