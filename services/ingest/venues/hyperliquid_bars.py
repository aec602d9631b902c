"""Hyperliquid's candles by REST in, candles that open on our grid out; weeks are put together from days. Pure.

The venue's own weeks open on Thursdays, as the epoch did. Seven days from a Monday on are the week, exactly.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import Final

from libs.common.events import SECOND_NS, Candle, Origin, Source, Timeframe
from services.ingest.venues import hyperliquid_wire as wire
from services.ingest.venues.bars import event_ns, opening_ns
from services.ingest.venues.hyperliquid_wire import VENUE
from services.ingest.venues.terms import AnswerError, Instrument
from services.ingest.venues.wire import MILLISECOND_NS, UNREADABLE, nanos

SETTLE_NS: Final = 5 * SECOND_NS
"""A bar is closed when another follows it, or this long after its end."""
_DAYS: Final = 7


def candles(
    instrument: Instrument, timeframe: Timeframe, body: bytes, received_ns: int, origin: Origin
) -> list[Candle]:
    """Read an answer, oldest first.

    Raises:
        AnswerError: it cannot be read, is of another coin, or holds a bar of another length or off the grid of UTC.
    """
    interval = Timeframe.D1 if timeframe is Timeframe.W1 else timeframe
    try:
        bars = sorted(wire.decode_bars(body), key=lambda bar: bar.open_ms)
    except UNREADABLE as e:
        raise AnswerError(f"{VENUE} candles: {e}: {body[:200]!r}") from e
    for bar in bars:
        opening_ns(VENUE, interval, bar.open_ms)
        if bar.coin != instrument.native or (bar.end_ms + 1 - bar.open_ms) * MILLISECOND_NS != interval.ns:
            raise AnswerError(f"{VENUE} candles: {bar} is no {interval} bar of {instrument.native}")
    if any(one.open_ms == other.open_ms for one, other in pairwise(bars)):
        raise AnswerError(f"{VENUE} candles: a bar is there twice: {body[:200]!r}")
    if timeframe is Timeframe.W1:
        bars = list(_weeks(bars, received_ns))
    newest_ms = bars[-1].open_ms if bars else 0
    return [
        _candle(
            bar,
            instrument,
            timeframe,
            received_ns,
            origin,
            closed=bar.open_ms < newest_ms or _over(timeframe, bar, received_ns),
        )
        for bar in bars
    ]


def _over(timeframe: Timeframe, bar: wire.Bar, received_ns: int) -> bool:
    return received_ns >= nanos(bar.open_ms) + timeframe.ns + SETTLE_NS


def _weeks(days: Sequence[wire.Bar], received_ns: int) -> Iterator[wire.Bar]:
    """Yield the weeks whose days are all there, and the one that goes on, from its Monday to today."""
    newest_ms = days[-1].open_ms if days else 0
    for open_ns, found in groupby(days, key=lambda bar: Timeframe.W1.open_ns(nanos(bar.open_ms))):
        week = list(found)
        due = [open_ns + number * Timeframe.D1.ns for number in range(len(week))]
        if [nanos(bar.open_ms) for bar in week] != due:
            continue  # a day is missing
        goes_on = week[-1].open_ms == newest_ms and not _over(Timeframe.W1, week[0], received_ns)
        if len(week) == _DAYS or goes_on:
            yield _together(week)


def _together(days: Sequence[wire.Bar]) -> wire.Bar:
    first, last = days[0], days[-1]
    return wire.Bar(
        open_ms=first.open_ms,
        end_ms=last.end_ms,
        coin=first.coin,
        opened=first.opened,
        high=max(bar.high for bar in days),
        low=min(bar.low for bar in days),
        close=last.close,
        volume=math.fsum(bar.volume for bar in days),
        trades=sum(bar.trades for bar in days),
    )


def _candle(
    bar: wire.Bar, instrument: Instrument, timeframe: Timeframe, received_ns: int, origin: Origin, *, closed: bool
) -> Candle:
    open_ns = nanos(bar.open_ms)
    return Candle(
        venue=VENUE,
        symbol=instrument.symbol,
        event_ns=event_ns(timeframe, open_ns, received_ns, closed=closed),
        received_ns=received_ns,
        origin=origin,
        timeframe=timeframe,
        open_ns=open_ns,
        open=bar.opened,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=bar.volume * instrument.contract_size,
        trades=bar.trades,
        closed=closed,
        source=Source.REST,
    )
