"""/record: what became of signals, with n and its uncertainty; a number that was not computed is not shown."""

from collections.abc import Sequence
from typing import Final

from libs.common.bus.codec import decode
from libs.common.events import DAY_NS, Origin, Outcome, Timeframe
from services.alerts.bot import words
from services.alerts.bot.command import Call, Command, Desk, Reply
from services.alerts.policy import numbers
from services.alerts.policy.arguments import duration_ns
from services.alerts.policy.markup import Piece, bold, join, lines
from services.alerts.policy.record import Record, fold
from services.alerts.policy.wording import banner

_DEFAULT: Final = "7d"
_MOST: Final = 50_000
_SYMBOLS: Final = 20
_FEW: Final = 30
_OUTCOMES: Final = """
SELECT event FROM alerts.outcomes WHERE resolved_ns >= $1 ORDER BY resolved_ns DESC LIMIT $2
"""


async def record(call: Call, desk: Desk) -> Reply:
    """Tell hit rate, profit and coverage of what was resolved within the time."""
    given = call.only(1, "/record, or /record 30d")
    span_ns = duration_ns(given[0] if given else _DEFAULT)
    rows = await desk.connection.fetch(_OUTCOMES, call.at_ns - span_ns, _MOST)
    known = [event for row in rows if isinstance(event := decode(row["event"]), Outcome)]
    days = words.length(span_ns) if span_ns < DAY_NS else f"{span_ns / DAY_NS:g} d"
    said = [bold(join(f"Record of the last {days}, {numbers.utc(call.at_ns)}"))]
    if not known:
        said.append(join("No outcome of a signal is known from that time: there is nothing to count"))
        return Reply(words=lines(said))
    if len(rows) == _MOST:
        said.append(join(f"Only the newest {_MOST} outcomes are counted"))
    for origin in Origin:
        some = [one for one in known if one.origin is origin]
        if some:
            said += _of_origin(origin, some)
    said.append(join("A hit reached its first target before its stop and its end. R is profit over risk, after fees"))
    said.append(join("Brier score: not computed here, outcomes do not carry a probability"))
    return Reply(words=lines(said))


def _of_origin(origin: Origin, outcomes: Sequence[Outcome]) -> list[Piece]:
    rows = [*(banner(origin) or [bold(join("LIVE"))]), *_whole(fold(outcomes))]
    for timeframe in Timeframe:
        some = [one for one in outcomes if one.timeframe is timeframe]
        if some:
            rows.append(join(f"{timeframe} bars: {_short(fold(some))}"))
    symbols = sorted({one.symbol for one in outcomes})
    rows += [
        join(words.given(symbol), f": {_short(fold([one for one in outcomes if one.symbol == symbol]))}")
        for symbol in symbols[:_SYMBOLS]
    ]
    if len(symbols) > _SYMBOLS:
        rows.append(join(f"and {len(symbols) - _SYMBOLS} more symbols"))
    return rows


def _whole(one: Record) -> list[Piece]:
    rows = []
    if one.hit_rate is None or one.low is None or one.high is None:
        rows.append(join("Hit rate: none, nothing was resolved"))
    else:
        band = f"[{numbers.share(one.low)} to {numbers.share(one.high)}]"
        rows.append(join(f"Hit rate {numbers.share(one.hit_rate)} {band} (Wilson, 95 %), n = {one.resolved}"))
        if one.resolved < _FEW:
            rows.append(join("Too few to say much"))
    if one.mean_r is None:
        rows.append(join("Mean R: none, no outcome told its profit"))
    else:
        rows.append(join(f"Mean R {one.mean_r:+.3f}, n = {one.with_r}"))
    if one.coverage is not None:
        rows.append(join(f"Coverage {numbers.share(one.coverage)}: {one.resolved} resolved of {one.outcomes}"))
    rows.append(join(f"Hits {one.hits}, stops {one.stops}, neither in time {one.resolved - one.hits - one.stops}"))
    return rows


def _short(one: Record) -> str:
    rate = "no hit rate" if one.hit_rate is None else f"hit rate {numbers.share(one.hit_rate)}"
    profit = "" if one.mean_r is None else f", mean R {one.mean_r:+.2f}"
    return f"{rate}{profit}, n = {one.resolved}"


COMMANDS: Final = (
    Command(name="record", usage="[7d]", meaning="how often signals were right, with n and bounds", run=record),
)
