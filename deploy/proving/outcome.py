"""What stands on the topics after a run in, the facts a proof needs out: trades, gaps, and the books they lead to."""

from collections import Counter

from msgspec import Struct, field

from libs.common.bus.codec import decode
from libs.common.bus.reading import Reader
from libs.common.bus.topics import BOOKS, GAPS, MARKET_REJECTS, TRADES, Topic
from libs.common.events import BookDelta, BookSnapshot, Gap, Trade

Side = dict[float, float]


class Folded(Struct):
    """A book as a reader of the topic has it."""

    sides: tuple[Side, Side] = field(default_factory=lambda: ({}, {}))
    sequence: int | None = None
    snapshots: int = 0
    deltas: int = 0
    unfit: int = 0
    """Deltas that continue no book."""
    repeated: int = 0
    """Deltas that the book contains already: their batch was sent again."""
    crossed: int = 0
    """States whose best bid is not below the best ask."""

    def hear(self, event: BookSnapshot | BookDelta) -> None:
        """Take one event of the topic."""
        if isinstance(event, BookSnapshot):
            self.snapshots += 1
            self.sides = (dict(event.bids), dict(event.asks))
            self.sequence = event.sequence
        elif self.sequence is not None and event.last_sequence <= self.sequence:
            self.repeated += 1
            return
        elif self.sequence is None or event.first_sequence != self.sequence + 1:
            self.unfit += 1
            return
        else:
            self.deltas += 1
            for side, levels in zip(self.sides, (event.bids, event.asks), strict=True):
                for price, size in levels:
                    if size:
                        side[price] = size
                    else:
                        side.pop(price, None)
            self.sequence = event.last_sequence
        bids, asks = self.sides
        if bids and asks and max(bids) >= min(asks):
            self.crossed += 1

    def best(self, count: int) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
        """Return the best `count` levels of both sides, best first."""
        bids, asks = self.sides
        return sorted(bids.items(), reverse=True)[:count], sorted(asks.items())[:count]


class Outcome(Struct):
    """Everything one venue's symbol left on the topics."""

    trade_ids: Counter[str] = field(default_factory=Counter)
    out_of_order: int = 0
    """Trades whose id is not above the highest before them, repetitions of one id apart."""
    gaps: list[Gap] = field(default_factory=list)
    book: Folded = field(default_factory=Folded)
    rejects: int = 0

    @property
    def duplicates(self) -> int:
        """Records of trades that were there already."""
        return sum(self.trade_ids.values()) - len(self.trade_ids)

    def open_gaps(self, until_ns: int) -> list[Gap]:
        """Return the gaps noticed before `until_ns` whose end was never said; later ones are of a silent exchange."""
        last: dict[tuple[str, str], Gap] = {}
        for gap in self.gaps:
            if gap.event_ns <= until_ns:
                last[gap.symbol, gap.stream] = gap
        return [gap for gap in last.values() if gap.to_ns == gap.from_ns and not gap.recovered]

    def opened(self, stream: str) -> int:
        """Return how many gaps of `stream` were opened."""
        return sum(gap.stream == stream and not gap.recovered and gap.to_ns == gap.from_ns for gap in self.gaps)

    def closed(self, stream: str, *, recovered: bool) -> int:
        """Return how many gaps of `stream` were closed, with what was missing published or not."""
        return sum(gap.stream == stream and gap.recovered is recovered and gap.to_ns > gap.from_ns for gap in self.gaps)


async def outcome(bootstrap: str, venue: str, symbol: str) -> Outcome:
    """Read the topics from their beginnings."""
    found = Outcome()
    highest = -1
    async with Reader(bootstrap, "csx-proving") as reader:
        for event in await _events(reader, TRADES):
            if isinstance(event, Trade) and (event.venue, event.symbol) == (venue, symbol):
                known = event.trade_id in found.trade_ids
                found.out_of_order += not known and int(event.trade_id) < highest
                highest = max(highest, int(event.trade_id))
                found.trade_ids[event.trade_id] += 1
        for event in await _events(reader, GAPS):
            if isinstance(event, Gap) and (event.venue, event.symbol) == (venue, symbol):
                found.gaps.append(event)
        for event in await _events(reader, BOOKS):
            if isinstance(event, BookSnapshot | BookDelta) and (event.venue, event.symbol) == (venue, symbol):
                found.book.hear(event)
        found.rejects = len(await _events(reader, MARKET_REJECTS))
    return found


async def _events(reader: Reader, topic: Topic) -> list[object]:
    return [
        decode(raw.value or b"")
        for partition in range(topic.partitions)
        async for raw in reader.read_all(topic, partition)
    ]
