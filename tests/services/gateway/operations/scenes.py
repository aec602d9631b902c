"""What the examples of operations are executed in: a literal table of worlds, made by folding events."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

Scene = Callable[[Any, Any], Awaitable[None]]
"""Takes the fixtures `gateway` and `make`."""


async def market(gateway: Any, make: Any) -> None:
    """One market with a trade, a candle, a book and a reading."""
    await gateway.fold(make.candle(), make.trade(), make.snapshot(), make.reading())


async def signal(gateway: Any, make: Any) -> None:
    """That market with one judged and delivered signal."""
    await market(gateway, make)
    said = make.signal()
    await gateway.fold(said, make.verdict(said), make.delivery())


SCENES: Final[dict[str, Scene]] = {"market": market, "signal": signal}
