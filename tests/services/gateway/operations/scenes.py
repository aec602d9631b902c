"""What the examples of operations are executed in: a literal table of worlds, made by folding events."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from services.gateway.alerting.wishes import subscription_of
from services.gateway.store import alerting
from services.gateway.store.alerting import RecipientRow
from tests.services.gateway import flowing

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


async def flows(gateway: Any, make: Any) -> None:
    """That market with a liquidation, funding, mark, open interest, what its venue lists and how well it is heard."""
    await market(gateway, make)
    await gateway.fold(*flowing.flows())


async def rule(gateway: Any, make: Any) -> None:
    """That signal, told to an address of the caller, who has a rule and another address as well."""
    await signal(gateway, make)
    addresses = (("telegram", "1001"), ("telegram", "123456789"), ("webhook", "https://unused.example.com/csx"))
    async with gateway.store.pool.acquire() as connection:
        for channel, recipient in addresses:
            row = RecipientRow(owner="local", channel=channel, recipient=recipient, created_ns=1, approved_ns=1)
            await alerting.add_recipient(connection, row)
        one = subscription_of("rule_0001", "strong_signal", "telegram", "1001", (), ())
        await alerting.say(connection, "local", one)


SCENES: Final[dict[str, Scene]] = {"market": market, "signal": signal, "flows": flows}
