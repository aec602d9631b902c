"""What can be had as a file: a literal table of stored series, each with its rows, their order and columns. Pure."""

from collections.abc import Callable
from enum import StrEnum, unique
from typing import Any, Final, TypeAlias

from msgspec import Struct

from libs.common.bus.codec import decode
from libs.common.events import Signal

Value: TypeAlias = str | float | bool | None
Row: TypeAlias = tuple[Value, ...]
Kind: TypeAlias = type[int] | type[float] | type[str] | type[bool]


@unique
class Name(StrEnum):
    """Of a series."""

    CANDLES = "candles"
    SIGNALS = "signals"
    OUTCOMES = "outcomes"
    LIQUIDATIONS = "liquidations"
    FUNDING = "funding"
    MARKS = "marks"
    OPEN_INTEREST = "open_interest"
    METRICS = "metrics"
    GAPS = "gaps"


class Dataset(Struct, frozen=True, kw_only=True):
    """One series."""

    name: Name
    meaning: str
    columns: dict[str, Kind]
    """In their order; units as in the answers of the same fields."""
    source: str
    """Where its rows stand, as SQL of ours."""
    time: str
    """The column that ranges and the order go by, nanoseconds."""
    order: tuple[str, ...]
    """What orders rows of one time."""
    stored: tuple[str, ...] = ()
    """What is read of a row, where that is not the columns."""
    row: Callable[[Any], Row] | None = None
    """A stored row to its values, where those are not its columns."""
    symbol: bool = True
    """Whether a file is of one symbol, which must be named."""
    timeframe: bool = False
    """The same of a timeframe."""
    name_column: str | None = None
    """What the parameter `name` chooses by."""


_MARKET: Final[dict[str, Kind]] = {"venue": str, "symbol": str, "origin": str}

_CANDLES: Final = """(
SELECT DISTINCT ON (symbol, venue, timeframe, origin, open_ns) venue, symbol, timeframe, origin, open_ns, source, open,
  high, low, close, volume, taker_buy_volume, trades::int8 AS trades, closed, complete
FROM gateway.candles
ORDER BY symbol, venue, timeframe, origin, open_ns, closed DESC, source = 'rest' DESC
) t"""
"""Of two sources of one bar the closed one counts, then the one by REST; as the list of candles has it."""

_SIGNAL: Final[dict[str, Kind]] = {
    "signal_id": str,
    **_MARKET,
    "timeframe": str,
    "as_of_ns": int,
    "known_at_ns": int,
    "direction": str,
    "label": str,
    "score": float,
    "confidence": float,
    "probability": float,
    "probability_status": str,
    "price": float,
    "regime": str,
    "model": str,
    "abstained": str,
    "entry_low": float,
    "entry_high": float,
    "stop": float,
    "target_1": float,
    "target_2": float,
    "target_3": float,
    "expires_ns": int,
    "decision": str,
    "judge": str,
    "decided_ns": int,
}


def _of_signal(row: Any) -> Row:
    signal = decode(row["body"])
    assert isinstance(signal, Signal), "the table holds signals"
    plan = signal.plan
    targets = () if plan is None else tuple(target.price for target in plan.targets)
    return (
        signal.signal_id,
        signal.venue,
        signal.symbol,
        str(signal.origin),
        str(signal.timeframe),
        signal.as_of_ns,
        signal.known_at_ns,
        str(signal.direction),
        str(signal.label),
        signal.score,
        signal.confidence,
        signal.probability,
        signal.probability_status,
        signal.price,
        signal.regime,
        signal.model,
        signal.abstained,
        *((None, None, None) if plan is None else (plan.entry_low, plan.entry_high, plan.stop)),
        *(*targets, None, None, None)[:3],
        None if plan is None else plan.expires_ns,
        row["decision"],
        row["judge"],
        row["decided_ns"],
    )


_ROWS: Final = (
    Dataset(
        name=Name.CANDLES,
        meaning="candles of one symbol and timeframe, by `open_ns`",
        columns={
            **_MARKET,
            "timeframe": str,
            "open_ns": int,
            "open": float,
            "high": float,
            "low": float,
            "close": float,
            "volume": float,
            "taker_buy_volume": float,
            "trades": int,
            "closed": bool,
            "complete": bool,
            "source": str,
        },
        source=_CANDLES,
        time="open_ns",
        order=("venue", "origin"),
        timeframe=True,
    ),
    Dataset(
        name=Name.SIGNALS,
        meaning="signals in one line each, with what their judge said, by `as_of_ns`",
        columns=_SIGNAL,
        source="gateway.signals t",
        time="as_of_ns",
        order=("signal_id",),
        stored=("body", "decision", "judge", "decided_ns"),
        row=_of_signal,
        symbol=False,
    ),
    Dataset(
        name=Name.OUTCOMES,
        meaning="what became of signals, by `resolved_ns`",
        columns={
            "signal_id": str,
            **_MARKET,
            "timeframe": str,
            "resolved_ns": int,
            "barrier": str,
            "r_multiple": float,
            "mfe": float,
            "mae": float,
        },
        source="gateway.outcomes t",
        time="resolved_ns",
        order=("signal_id",),
        symbol=False,
    ),
    Dataset(
        name=Name.LIQUIDATIONS,
        meaning="liquidations of one symbol that venues told, a lower bound, by `event_ns`",
        columns={**_MARKET, "event_ns": int, "price": float, "size": float, "liquidated": str},
        source="gateway.liquidations t",
        time="event_ns",
        order=("venue", "origin", "price", "size", "liquidated"),
    ),
    Dataset(
        name=Name.FUNDING,
        meaning="funding rates of one symbol, the newest of each minute, by `slot_ns`",
        columns={
            **_MARKET,
            "slot_ns": int,
            "event_ns": int,
            "rate": float,
            "interval_s": int,
            "next_funding_ns": int,
        },
        source="gateway.funding t",
        time="slot_ns",
        order=("venue", "origin"),
    ),
    Dataset(
        name=Name.MARKS,
        meaning="mark and index prices of one symbol, the newest of each minute, by `slot_ns`",
        columns={**_MARKET, "slot_ns": int, "event_ns": int, "price": float, "index_price": float},
        source="gateway.marks t",
        time="slot_ns",
        order=("venue", "origin"),
    ),
    Dataset(
        name=Name.OPEN_INTEREST,
        meaning="open interest of one symbol, the newest of each minute, by `slot_ns`",
        columns={
            **_MARKET,
            "slot_ns": int,
            "event_ns": int,
            "contracts": float,
            "base": float,
            "notional": float,
        },
        source="gateway.open_interest t",
        time="slot_ns",
        order=("venue", "origin"),
    ),
    Dataset(
        name=Name.METRICS,
        meaning="numbers of vendors about one symbol, or `*` for the whole market, by `event_ns`",
        columns={
            **_MARKET,
            "name": str,
            "exchange": str,
            "event_ns": int,
            "value": float,
            "unit": str,
            "interval_s": int,
            "cause": str,
        },
        source="gateway.metrics t",
        time="event_ns",
        order=("name", "exchange", "venue", "origin"),
        name_column="name",
    ),
    Dataset(
        name=Name.GAPS,
        meaning="holes in the data, by `from_ns`",
        columns={
            **_MARKET,
            "stream": str,
            "from_ns": int,
            "to_ns": int,
            "event_ns": int,
            "cause": str,
            "recovered": bool,
        },
        source="gateway.gaps t",
        time="from_ns",
        order=("symbol", "venue", "stream"),
        symbol=False,
    ),
)
DATASETS: Final[dict[str, Dataset]] = {one.name: one for one in _ROWS}
