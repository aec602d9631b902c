"""A tape that steps back behind trades that came to nothing: they are taken again, each once, in order."""

import asyncio

import pytest

from libs.common.events import Trade
from services.ingest.delivery.buffer import Buffer
from services.ingest.recovery.backfill import Limits
from services.ingest.recovery.gaps import Gaps
from services.ingest.recovery.recent import RecentTape
from services.ingest.recovery.recovery import Recovery
from services.ingest.recovery.tape import Tape


def ids(trades: list[Trade]) -> list[int]:
    return [int(one.trade_id) for one in trades]


@pytest.mark.parametrize("make", [lambda: Tape(int), lambda: Tape(int, consecutive=False), RecentTape])
def test_what_followed_is_taken_again_from_the_venue(tiny, make) -> None:
    tape = make()
    assert ids([one for number in range(1, 11) for one in tape.offer(tiny.trade(number))]) == list(range(1, 11))
    tape.rewind("5", 5_000_000)
    assert tape.offer(tiny.trade(11)) == []
    assert tape.hole is not None
    assert tape.hole.after.trade_id == "5"
    assert ids(tape.merge([tiny.trade(number) for number in range(6, 12)])) == [6, 7, 8, 9, 10, 11]
    assert ids(tape.offer(tiny.trade(12))) == [12]


def test_a_trade_forgotten_long_ago_can_be_returned_to(tiny) -> None:
    tape = RecentTape(remembered=3)
    for number in range(1, 11):
        tape.offer(tiny.trade(number))
    tape.rewind("2", 2_000_000)
    assert tape.offer(tiny.trade(11)) == []
    assert ids(tape.merge([tiny.trade(number) for number in range(3, 12)])) == list(range(3, 12))


async def test_a_page_that_was_asked_for_before_is_not_taken_for_the_whole(tiny, rest_of) -> None:
    asked, gate = [], asyncio.Event()

    async def answer(path: str) -> list[int]:
        after = int(path.rpartition("&")[2])
        asked.append(after)
        if after == 10:
            await gate.wait()
        return list(range(after + 1, 13))

    buffer, venue = Buffer(), tiny.Venue()
    gaps = Gaps("tiny", tiny.trade(1).origin, buffer)
    recovery = Recovery(
        venue, {tiny.SYMBOL: venue.instrument()}, rest_of(answer), buffer, gaps, limits=Limits(grace_s=0.0)
    )
    for number in (*range(1, 11), 12):
        await recovery.offer(tiny.trade(number))
    await tiny.until(lambda: asked == [10])
    read: list[int] = []

    def rewound() -> None:
        read.extend(ids([one for one in buffer.grab(100) if isinstance(one, Trade)]))

    assert await recovery.rewind(tiny.SYMBOL, "5", 5_000_000, rewound)
    gate.set()
    await tiny.until(lambda: not recovery.filling)
    assert asked == [10, 5]
    assert read == list(range(1, 11))
    assert ids([one for one in buffer.grab(100) if isinstance(one, Trade)]) == list(range(6, 13))
    assert not await recovery.rewind("NO-USDT", "1", 1, rewound)
    await recovery.stop()
