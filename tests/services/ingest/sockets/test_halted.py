"""A market that does not trade: its quiet is no fault, neither of its topics nor of its connection."""

import asyncio

import pytest

from services.ingest.sockets.habits import Habits
from services.ingest.sockets.silence import Silence
from services.ingest.sockets.vigil import Vigil
from services.ingest.venues.terms import Heartbeat, Plan, Stream

A, B = "A-USDT", "B-USDT"
PLAN = Plan(url="wss://x", symbols=(A, B), streams=(Stream.TRADES, Stream.BOOKS))


class Ears:
    """One connection to two markets, some of them halted, judged twice a second."""

    def __init__(self) -> None:
        self.halted: set[str] = set()
        self.silence = Silence(PLAN, Habits(), 60.0, halted=lambda symbol: symbol in self.halted)
        self.at = 0.0

    def listen(self, seconds: float, *speaking: str) -> list[str]:
        """Return the symbols that were found stalled while `speaking` said something each second."""
        found: list[str] = []
        for _ in range(round(seconds)):
            self.at += 1.0
            for symbol in speaking:
                for stream in PLAN.streams:
                    self.silence.spoke(stream, symbol, self.at, round(self.at * 1e9), round(self.at * 1e9))
            found += [stall.symbol for stall in self.silence.judge(self.at, self.at)]
        return found


def test_a_halted_market_is_quiet_without_a_stall_and_a_trading_one_is_not() -> None:
    ears = Ears()
    assert ears.listen(300, A, B) == []
    ears.halted = {B}
    assert ears.listen(600, A) == []
    ears.halted = set()
    assert set(ears.listen(600, A)) == {B}


def test_a_market_that_was_halted_from_the_start_gives_no_reason_for_a_new_connection() -> None:
    ears = Ears()
    ears.halted = {A, B}
    assert ears.listen(600) == []
    assert not ears.silence.given_up(ears.at)
    assert not ears.silence.expects()
    ears.halted = {A}
    assert ears.silence.expects()
    ears.at += 60
    assert ears.silence.given_up(ears.at)


@pytest.mark.parametrize(
    ("ping", "expects", "ends"), [(None, False, False), (None, True, True), (b"ping", False, True)]
)
async def test_a_connection_with_nothing_to_hear_is_dead_only_when_its_ping_is_not_answered(
    ping: bytes | None, expects: bool, ends: bool
) -> None:
    now = 0.0
    vigil = Vigil(Heartbeat(ping=ping, idle_s=0.08, dead_s=0.16), lambda: now)
    judged = asyncio.Event()
    count = 0

    def judge() -> None:
        nonlocal count, now
        now += 0.05
        count += 1
        if count == 20:
            judged.set()

    async def said(frame: bytes) -> None:
        assert frame == ping

    vigil.waiting()
    keeping = asyncio.create_task(vigil.keep(said, judge, lambda: expects))
    ending = asyncio.create_task(judged.wait())
    await asyncio.wait({keeping, ending}, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert (keeping.done() and keeping.result() == "silent") is ends
    for task in (keeping, ending):
        task.cancel()
    await asyncio.gather(keeping, ending, return_exceptions=True)
