"""What the examples of operations are executed in: a literal table of worlds, made by folding events."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from libs.common.events import Timeframe
from services.gateway.access import audit, people
from services.gateway.access.keys import KeyRow
from services.gateway.access.principal import Principal, Way
from services.gateway.access.scopes import Role
from services.gateway.alerting.wishes import subscription_of
from services.gateway.operations.keys import EXAMPLE as KEY_EXAMPLE
from services.gateway.operations.people import EXAMPLE as USER_EXAMPLE
from services.gateway.schemas.keys import key_view
from services.gateway.store import alerting, keys
from services.gateway.store.alerting import RecipientRow
from tests.services.gateway import entering, flowing

Scene = Callable[[Any, Any], Awaitable[dict[str, str] | None]]
"""Takes the fixtures `gateway` and `make`; returns the head of who asks, where that is not a key."""


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


async def key(gateway: Any, make: Any) -> None:
    """That market, and a key of the caller which was used, and whose making was recorded."""
    await market(gateway, make)
    made = KeyRow(
        key_id=KEY_EXAMPLE,
        name="desk",
        digest=bytes(32),
        scopes=("read:market",),
        created_ns=gateway.clock(),
        expires_ns=gateway.clock() + 90 * 86_400 * make.SECOND,
    )
    who = Principal(way=Way.KEY, subject="local", credential=KEY_EXAMPLE, name="desk", scopes=frozenset())
    async with gateway.store.pool.acquire() as connection, connection.transaction():
        await keys.add(connection, made)
        view = key_view(made, gateway.clock())
        await audit.write(connection, audit.Act(who=who, action="keys.create", target=KEY_EXAMPLE, after=view), 1)
    gateway.desk.usage.count(who, "markets.list", 200, 1)
    await gateway.desk.usage.flush()


async def user(gateway: Any, make: Any) -> None:
    """That market, and a person."""
    await market(gateway, make)
    grace = people.User(user_id=USER_EXAMPLE, name="grace", role=Role.READER, created_ns=1)
    await people.add(gateway.store.pool, grace)


async def levels(gateway: Any, make: Any) -> None:
    """That market with readings of ticks and bars, a structure, a regime and what it holds by price."""
    await market(gateway, make)
    bars = Timeframe.M1
    structure = make.mark()
    regime = {"regime": "trend", "regime_bars": 7, "rsi_14": 61.5, "atr_14": 120.0}
    await gateway.fold(
        make.reading("smc", timeframe=bars, marks=(structure,), facts={"trend_bias": 1}),
        make.reading("technicals", timeframe=bars, facts=regime),
        make.reading("technicals", timeframe=Timeframe.M15, facts=regime),
        make.reading("order_flow", facts={"flow_balance": 0.2}),
        make.reading("factors", facts={"price_change_24h": 0.03, "coverage": 0.6}),
        *flowing.profiles(),
    )


async def person(gateway: Any, make: Any) -> dict[str, str]:
    """That market, and somebody who may sign in and shows nothing yet."""
    await market(gateway, make)
    await entering.person(gateway.store, at_ns=gateway.clock())
    return {"Accept": "*/*"}


async def session(gateway: Any, make: Any) -> dict[str, str]:
    """That person, signed in by a browser."""
    await person(gateway, make)
    async with entering.Browser(gateway.app) as browser:
        await browser.sign_in()
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        return {"Cookie": cookies, "X-CSRF-Token": browser.word}


async def outcomes(gateway: Any, make: Any) -> None:
    """That market with a signal that came true."""
    await signal(gateway, make)
    await gateway.fold(flowing.outcome("sig-0001"))


SCENES: Final[dict[str, Scene]] = {
    "market": market,
    "signal": signal,
    "rule": rule,
    "person": person,
    "session": session,
    "flows": flows,
    "levels": levels,
    "outcomes": outcomes,
    "key": key,
    "user": user,
}
