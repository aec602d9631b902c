"""The venue's clock against a server whose clock and delays are known."""

import asyncio
import time

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import SECOND_NS
from services.ingest.calls.rest import Timed
from services.ingest.quality.clock_offset import NO_CLOCK, NOT_YET, ClockOffset, offset_of
from services.ingest.venues.terms import AnswerError, Request


@pytest.fixture
def clocked(tiny):
    """The made-up venue, with a clock."""

    class Clocked(tiny.Venue):  # type: ignore[name-defined, misc]  # the fixture's class
        def clock_request(self) -> Request | None:
            return Request(url="http://rest/time")

        def clock_ns(self, body: bytes) -> int:
            if not body.isdigit():
                raise AnswerError(f"no time: {body!r}")
            return int(body)

    return Clocked()


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(-(10**10), 10**10), st.sampled_from((0.001, 1.0)))
def test_the_true_offset_lies_within_the_bound_however_the_way_is_shared(
    there: int, back: int, true: int, step_s: float
) -> None:
    """`true` ahead; the venue reads its clock after `there`, says whole steps, and the answer takes `back`."""
    sent = 1_700_000_000 * SECOND_NS
    step = round(step_s * SECOND_NS)
    said = (sent + there + true) // step * step
    found = offset_of(said, Timed(b"", sent, there + back), step_s)
    assert abs(found.seconds - true / SECOND_NS) <= found.bound_s + 1e-6


async def test_the_quickest_trip_is_taken(clocked, rest_of) -> None:
    ahead_ns = 7 * SECOND_NS
    delays = iter([(0.2, 0.0), (0.0, 0.15), (0.005, 0.005), (0.3, 0.0)])
    asked: list[str] = []

    async def answer(path: str) -> httpx.Response:
        asked.append(path)
        there, back = next(delays)
        await asyncio.sleep(there)
        body = str(time.time_ns() + ahead_ns).encode()
        await asyncio.sleep(back)
        return httpx.Response(200, content=body)

    clock = ClockOffset(clocked, rest_of(answer))
    assert (clock.offset, clock.cause) == (None, NOT_YET)
    assert await clock.measure()
    assert asked == ["time"] * 4
    assert clock.cause is None
    assert clock.offset is not None
    assert 0.005 <= clock.offset.bound_s < 0.075  # the third trip's, not the 0.15 s one's
    assert abs(clock.offset.seconds - 7.0) <= clock.offset.bound_s


async def test_a_venue_without_a_clock_is_not_asked(tiny, rest_of) -> None:
    clock = ClockOffset(tiny.Venue(), rest_of(lambda path: pytest.fail("asked")))
    await asyncio.wait_for(clock.run(), 1)
    assert (clock.offset, clock.cause) == (None, NO_CLOCK)


async def test_what_a_venue_refuses_is_the_cause_and_the_last_good_one_is_kept_for_a_while(clocked, rest_of) -> None:
    answers: list[bytes] = [b"teapot", b"5000000000", b"6000000000", b"teapot", b"teapot"]

    clock = ClockOffset(clocked, rest_of(lambda path: httpx.Response(200, content=answers.pop(0))), every_s=60, trips=2)
    assert await clock.measure()
    assert clock.cause == "no time: b'teapot'"
    assert await clock.measure()
    kept = clock.offset
    assert kept is not None
    assert kept.seconds < -1e9  # its clock stands in 1970
    assert await clock.measure()
    assert clock.offset == kept
    short = ClockOffset(clocked, rest_of(lambda path: httpx.Response(404)), every_s=0.0)
    assert await short.measure()
    assert "404" in (short.cause or "")


async def test_it_is_measured_again_and_again(clocked, rest_of, tiny) -> None:
    asked: list[str] = []

    def answer(path: str) -> httpx.Response:
        asked.append(path)
        return httpx.Response(200, content=str(time.time_ns()).encode())

    running = asyncio.create_task(ClockOffset(clocked, rest_of(answer), every_s=0.01, trips=1).run())
    await tiny.until(lambda: len(asked) > 3)
    running.cancel()
