"""/liq, /whale, /sentiment, /heat, /levels: what is known of markets now, with its time; or that it is nothing."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from libs.common.bus.codec import decode
from libs.common.conditions.catalogue import METRICS
from libs.common.events import LayerReading, Mark, Origin
from libs.common.events.symbols import SymbolError, parse
from services.alerts.bot import words
from services.alerts.bot.command import Call, Command, Desk, Reply
from services.alerts.policy import numbers
from services.alerts.policy.arguments import symbol_of
from services.alerts.policy.markup import Piece, bold, join, lines
from services.alerts.policy.wording import banner

_MOST: Final = 8
"""Markets of one answer, the newest first."""
_MARKS: Final = 6
_HEAT: Final = ("liquidity",)
_MOODS: Final = (
    "fear_greed",
    "social_sentiment",
    "galaxy_score",
    "alt_rank",
    "social_volume_24h",
    "accounts_long_short_ratio",
    "top_accounts_long_short_ratio",
    "top_positions_long_short_ratio",
)
_UNSAID: Final = frozenset({"symbol", "venue", "cap_group", "exchange"})
_FACTS: Final = """
SELECT venue, symbol, at_ns, origin, facts FROM alerts.facts
WHERE kind = $1 AND ($2::text IS NULL OR symbol = $2 OR split_part(symbol, '-', 1) = $2)
    AND ($3::text[] IS NULL OR facts ?| $3)
ORDER BY at_ns DESC, venue, symbol LIMIT $4
"""
_READINGS: Final = """
SELECT event FROM alerts.readings
WHERE (layer = ANY ($1::text[])) = $2 AND ($3::text IS NULL OR symbol = $3 OR split_part(symbol, '-', 1) = $3)
ORDER BY at_ns DESC, venue, symbol, timeframe, layer LIMIT $4
"""


async def liq(call: Call, desk: Desk) -> Reply:
    """Tell liquidations."""
    return await _facts(call, desk, "liquidation", "Liquidations", "no liquidation or large trade has been heard")


async def whale(call: Call, desk: Desk) -> Reply:
    """Tell large trades."""
    return await _facts(call, desk, "whale", "Large trades", "no large trade has been heard")


async def sentiment(call: Call, desk: Desk) -> Reply:
    """Tell moods that vendors measure."""
    return await _facts(call, desk, "metric", "Sentiment", "no vendor has told one, or none is configured", _MOODS)


async def heat(call: Call, desk: Desk) -> Reply:
    """Tell where liquidity stands."""
    return await _zones(call, desk, "Liquidity", "no book or liquidity model has been read", among=True)


async def levels(call: Call, desk: Desk) -> Reply:
    """Tell price zones of structure, retracements and volume."""
    return await _zones(call, desk, "Levels", "no layer has named a price", among=False)


async def _facts(
    call: Call, desk: Desk, kind: str, title: str, nothing: str, names: Sequence[str] | None = None
) -> Reply:
    symbol = _symbol(call)
    wanted = None if names is None else list(names)
    rows = await desk.connection.fetch(_FACTS, kind, symbol, wanted, _MOST)
    if not rows:
        return _nothing(title, symbol, nothing)
    said = [*_banners({row["origin"] for row in rows}), bold(join(_title(title, symbol)))]
    for row in rows:
        facts = msgspec.json.decode(row["facts"])
        said.append(bold(join(words.given(row["symbol"]), " ", words.given(row["venue"]), _age(row["at_ns"], call))))
        shown = [name for name in (names or facts) if name in facts and name not in _UNSAID]
        said += [_fact(name, facts[name]) for name in shown]
        if not shown:
            said.append(join("nothing of it could be computed"))
    said.append(join("What is not listed could not be computed, or was not heard"))
    return Reply(words=lines(said))


async def _zones(call: Call, desk: Desk, title: str, nothing: str, *, among: bool) -> Reply:
    symbol = _symbol(call)
    rows = await desk.connection.fetch(_READINGS, list(_HEAT), among, symbol, _MOST)
    readings = [one for row in rows if isinstance(one := decode(row["event"]), LayerReading)]
    if not readings:
        return _nothing(title, symbol, nothing)
    said = [*_banners({one.origin for one in readings}), bold(join(_title(title, symbol)))]
    for one in readings:
        bars = f", {one.timeframe} bars" if one.timeframe else ""
        market = (words.given(one.symbol), " ", words.given(one.venue), ", ", words.given(one.layer))
        said.append(bold(join(*market, bars, _age(one.as_of_ns, call))))
        said += [_mark(mark) for mark in one.marks[:_MARKS]] or [join("names no price now")]
    said.append(join("Nearest first. MODEL is computed, not seen"))
    return Reply(words=lines(said))


def _mark(one: Mark) -> Piece:
    zone = numbers.price(one.low) if one.low == one.high else f"{numbers.price(one.low)} to {numbers.price(one.high)}"
    side = {1: ", support", -1: ", resistance"}.get(one.side, "")
    state = join(", ", words.given(one.state)) if one.state else join("")
    return join(
        f"{zone} ", words.given(one.kind.replace("_", " ")), side, f", strength {numbers.share(one.strength)}", state
    )


def _fact(name: str, value: Any) -> Piece:
    known = METRICS.get(name)
    meaning = known.meaning if known else name
    if isinstance(value, bool):
        return join(words.given(meaning), ": ", "yes" if value else "no")
    if isinstance(value, int | float):
        return join(words.given(meaning), f": {_number(float(value), known.unit if known else '')}")
    return join(words.given(meaning), ": ", words.given(str(value)))


def _number(value: float, unit: str) -> str:
    match unit.lower():
        case "usd":
            return f"{value:,.0f} USD"
        case "fraction":
            return numbers.share(value)
        case "count" | "rank":
            return f"{value:,.0f}"
        case _:
            return f"{value:.4g}"


def _symbol(call: Call) -> str | None:
    """Return the symbol or the coin that was named; None for all."""
    given = call.only(1, "the command alone, with BTC, or with BTC-USDT-PERP")
    if not given:
        return None
    coin = given[0].upper()
    try:
        parse(f"{coin}-USDT")
    except SymbolError:
        return symbol_of(given[0])
    return coin


def _age(at_ns: int, call: Call) -> str:
    return f", as of {numbers.utc(at_ns)}, {words.length(call.at_ns - at_ns)} ago"


def _banners(origins: set[str]) -> list[Piece]:
    return [row for origin in sorted(origins) for row in banner(Origin(origin))]


def _title(title: str, symbol: str | None) -> str:
    return title if symbol is None else f"{title}: {symbol}"


def _nothing(title: str, symbol: str | None, why: str) -> Reply:
    about = "any market" if symbol is None else symbol
    return Reply(
        words=lines(
            [
                bold(words.given(_title(title, symbol))),
                join("Nothing is known about ", words.given(about), f": {why} since this was installed"),
                join("That does not say that there was none. What is heard: /status"),
            ]
        )
    )


COMMANDS: Final = (
    Command(name="liq", usage="[SYMBOL]", meaning="liquidations and what large trades lean to", run=liq),
    Command(name="whale", usage="[SYMBOL]", meaning="the latest large trades", run=whale),
    Command(name="sentiment", usage="[SYMBOL]", meaning="moods that vendors measure", run=sentiment),
    Command(name="heat", usage="[SYMBOL]", meaning="where liquidity stands", run=heat),
    Command(name="levels", usage="[SYMBOL]", meaning="price zones that layers hold to matter", run=levels),
)
