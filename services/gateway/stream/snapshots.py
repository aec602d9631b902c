"""A subscription's topic to its snapshot: what is newest, before what is new."""

from typing import Final

from msgspec import Struct

from services.gateway.board import Board
from services.gateway.problems import Problem
from services.gateway.stream.announcing import STREAM_DEPTH, announcement
from services.gateway.stream.hub import Message, Topic, update

_SIGNALS: Final = 20


async def snapshot_of(topic: Topic, board: Board) -> list[Message]:
    """Return the views that `topic` wants, as they are now; empty where the first update brings them."""
    symbol, venue = topic.symbol or None, topic.venue or None
    found: list[tuple[str, str, str, Struct]]
    match topic.channel:
        case "price":
            markets = (await board.markets()).data
            found = [(m.venue, m.symbol, "", m.last) for m in markets if m.last]
        case "book" if symbol:
            try:
                book = (await board.book(symbol, venue=venue, depth=STREAM_DEPTH)).book
            except Problem:
                return []  # the first update brings it, or says why not
            found = [(book.venue, book.symbol, "", book)]
        case "readings" if symbol:
            readings = (await board.readings(symbol, venue=venue)).readings
            found = [(r.venue, r.symbol, f"{r.layer}|{r.timeframe or ''}", r) for r in readings]
        case "signals":
            page = await board.signals(symbol=symbol, venue=venue, limit=_SIGNALS)
            found = [(s.venue, s.symbol, "", s) for s in reversed(page.data)]
        case "health":
            found = [("", "", "", await board.health())]
        case _:
            return []  # candles: take them from REST
    messages = [
        update(announcement(topic.channel, (venue, symbol), data, event_ns=0, at_ns=0, slot=slot), "snapshot")
        for venue, symbol, slot, data in found
    ]
    return [message for message in messages if topic.wants(message)]
