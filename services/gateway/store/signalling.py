"""Signals, verdicts, outcomes and deliveries in PostgreSQL: each told once on the feed, in the transaction it is in."""

from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import Struct

from libs.common.events import Delivery, Outcome, Signal, Verdict
from services.gateway.schemas.signals import StoredSignal, summary
from services.gateway.schemas.told import delivery_told, outcome_view, verdict_view
from services.gateway.store import feed, rows, statements
from services.gateway.store.feed import Item, Said
from services.gateway.store.rows import MarketRow, Placed

CHANNELS: Final = ("signals", "verdicts", "outcomes", "deliveries")


class Told(Struct, kw_only=True):
    """What one batch of records says."""

    markets: dict[tuple[str, str], MarketRow] = {}
    signals: list[Placed] = []
    verdicts: list[Verdict] = []
    outcomes: list[Outcome] = []
    deliveries: list[Delivery] = []


class Signalling:
    """Writes what is told. What is not new changes nothing and is not told again."""

    def __init__(self, pool: Callable[[], Any]) -> None:
        self._pool = pool

    async def write(self, told: Told, seen_ns: int) -> list[Said]:
        """Write a batch, all or nothing; returns what was new, as it now stands on the feed."""
        async with self._pool().acquire() as connection, connection.transaction():
            await feed.hold(connection, CHANNELS)
            if told.markets:
                markets = [rows.of_market(told.markets[key]) for key in sorted(told.markets)]
                await connection.executemany(statements.MARKET, markets)
            signals, verdicts = await _judged(connection, told, seen_ns)
            said = {
                "signals": signals,
                "verdicts": verdicts,
                "outcomes": await _outcomes(connection, told.outcomes, seen_ns),
                "deliveries": await _deliveries(connection, told.deliveries),
            }
            return await feed.append(connection, said, seen_ns)


async def _judged(connection: Any, told: Told, seen_ns: int) -> tuple[list[Item], list[Item]]:
    entries = [(*rows.of_placed(placed, seen_ns), n) for n, placed in enumerate(told.signals)]
    changed = await _changed(connection, statements.SIGNAL, entries)
    signals = [_signal(told.signals[row["n"]].signal, seen_ns) for row in changed if row["inserted"]]
    entries = [(*rows.of_verdict(verdict, seen_ns), n) for n, verdict in enumerate(told.verdicts)]
    verdicts = []
    for row in await _changed(connection, statements.VERDICT, entries):
        verdict = told.verdicts[row["n"]]
        if row["inserted"]:  # it overtook its signal, which is told first
            signals.append(_signal(verdict.signal, seen_ns))
        view = verdict_view(verdict, seen_ns)
        verdicts.append(Item(venue=view.venue, symbol=view.symbol, body=msgspec.json.encode(view)))
    return signals, verdicts


def _signal(signal: Signal, seen_ns: int) -> Item:
    view = summary(StoredSignal(signal=signal, seen_ns=seen_ns), seen_ns)
    return Item(venue=signal.venue, symbol=signal.symbol, body=msgspec.json.encode(view))


async def _outcomes(connection: Any, outcomes: list[Outcome], seen_ns: int) -> list[Item]:
    entries = [(*rows.of_outcome(outcome, seen_ns), n) for n, outcome in enumerate(outcomes)]
    views = [
        outcome_view(outcomes[row["n"]], seen_ns) for row in await _changed(connection, statements.OUTCOME, entries)
    ]
    return [Item(venue=view.venue, symbol=view.symbol, body=msgspec.json.encode(view)) for view in views]


async def _deliveries(connection: Any, deliveries: list[Delivery]) -> list[Item]:
    entries = [(*rows.of_delivery(delivery), n) for n, delivery in enumerate(deliveries)]
    found = []
    for row in await _changed(connection, statements.DELIVERY, entries):
        view = delivery_told(deliveries[row["n"]])
        body = msgspec.json.encode(view)
        found.append(Item(venue=view.venue, symbol=view.symbol, owner=row["owner"], body=body))
    return found


async def _changed(connection: Any, statement: str, entries: list[tuple[Any, ...]]) -> list[Any]:
    return list(await connection.fetchmany(statement, entries)) if entries else []
