"""Many who look for rows at once: one question for all of them."""

import asyncio

import pytest

from services.gateway.store.lookups import Lookups


class Table:
    """Counts its questions, and answers when it is let."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fault: Exception | None = None

    async def __call__(self, keys):
        self.asked.append(list(keys))
        await self.open.wait()
        if self.fault:
            raise self.fault
        return {key: f"row of {key}" for key in keys if key != "nobody"}


async def test_who_comes_while_a_question_is_on_its_way_goes_with_the_next_one():
    table = Table()
    lookups = Lookups(table)
    table.open.clear()
    first = asyncio.create_task(lookups.find("a"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert table.asked == [["a"]]
    others = [asyncio.create_task(lookups.find(key)) for key in ("a", "b", "b", "nobody")]
    await asyncio.sleep(0)
    table.open.set()
    assert await first == "row of a"
    assert await asyncio.gather(*others) == ["row of a", "row of b", "row of b", None]
    assert table.asked == [["a"], ["a", "b", "nobody"]]  # nobody gets what was read before they asked


async def test_a_fault_is_for_all_who_waited_and_for_nobody_after():
    table = Table()
    lookups = Lookups(table)
    table.fault = ConnectionRefusedError()
    found = await asyncio.gather(*(lookups.find("a") for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in found] == [ConnectionRefusedError] * 3
    table.fault = None
    assert await lookups.find("a") == "row of a"


async def test_who_stops_waiting_leaves_the_others_their_answer():
    table = Table()
    lookups = Lookups(table)
    table.open.clear()
    gone, stays = (asyncio.create_task(lookups.find("a")) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    table.open.set()
    assert await stays == "row of a"
    with pytest.raises(asyncio.CancelledError):
        await gone
