"""When a candle of a REST answer opened, and when it was last true. Pure."""

from libs.common.events import Timeframe
from services.ingest.venues.terms import AnswerError
from services.ingest.venues.wire import nanos


def opening_ns(venue: str, timeframe: Timeframe, open_ms: int) -> int:
    """Return the opening time of a bar.

    Raises:
        AnswerError: no bar of UTC opens then.
    """
    open_ns = nanos(open_ms)
    if timeframe.open_ns(open_ns) != open_ns:
        raise AnswerError(f"{venue} candles: {open_ms} opens no {timeframe} bar of UTC")
    return open_ns


def event_ns(timeframe: Timeframe, open_ns: int, received_ns: int, *, closed: bool) -> int:
    """Return the end of a closed bar; of a forming one when it was received, which is within the bar."""
    close_ns = open_ns + timeframe.ns
    return close_ns if closed else max(open_ns, min(received_ns, close_ns))
