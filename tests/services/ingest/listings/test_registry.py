"""What a venue lists, again and again: changes are published, doubtful answers are not believed."""

from collections.abc import Iterable
from typing import Any

import httpx
import msgspec
import pytest

from libs.common.bus.codec import decode, encode
from libs.common.events import Listing, ListingStatus
from libs.common.events.symbols import Kind, parse
from libs.common.runtime.backoff import Backoff
from services.ingest.listings.registry import Registry
from services.ingest.metrics import CATALOGUE_FAILURES, INSTRUMENTS, LEFT_OUT
from services.ingest.venues.terms import Instrument

QUICK = Backoff(initial_s=0.001, cap_s=0.002)
USUAL = ("A-USDT", "B-USDT", "C-USDT", "D-USDT")


class Rig:
    """A registry over a made-up venue; `rows` is its catalogue: symbol to what differs from the usual."""

    def __init__(self, tiny: Any, rest_of: Any) -> None:
        class Listed(tiny.Venue):  # type: ignore[misc]  # the fixture's class
            def instruments(self, bodies: Iterable[bytes], unnamed: Any = None) -> dict[str, Instrument]:
                rows = [row for body in bodies for row in msgspec.json.decode(body)]
                if "broken" in rows:
                    raise KeyError("broken")
                found = [
                    Instrument(
                        **{
                            "native": symbol.replace("-", ""),
                            "tick": 0.1,
                            "lot": 0.1,
                            "kind": parse("A-USDT" if more.get("odd") else symbol),
                        }
                        | {name: value for name, value in more.items() if name not in {"odd", "status", "symbol"}},
                        symbol=more.get("symbol", symbol),
                        status=ListingStatus(more.get("status", "live")),
                    )
                    for symbol, more in rows
                ]
                return {one.native: one for one in found}

        self.answer: object = None
        self.broker = tiny.Broker()
        self.now = 10**18
        self.registry = Registry(Listed(), rest_of(lambda path: self.answer), self.broker, clock=lambda: self.now)
        self.list(*USUAL)

    def list(self, *symbols: str, **more: dict[str, Any]) -> None:
        changed = {symbol.replace("_", "-"): one for symbol, one in more.items()}
        self.answer = [(symbol, changed.get(symbol, {})) for symbol in dict.fromkeys((*symbols, *changed))]

    async def published(self, *followed: str) -> dict[str, Listing]:
        before = len(self.broker.events)
        await self.registry.publish(followed, {"A-USDT": 5.0})
        return {one.symbol: one for one in self.broker.events[before:]}


@pytest.fixture
def rig(tiny, rest_of) -> Rig:
    return Rig(tiny, rest_of)


def failures(reason: str) -> float:
    return float(CATALOGUE_FAILURES.labels("tiny", reason)._value.get())


async def test_everything_is_said_once_and_then_only_what_changes(rig: Rig) -> None:
    assert await rig.registry.refresh()
    first = await rig.published("A-USDT")
    assert list(first) == list(USUAL)
    assert first["A-USDT"] == Listing(
        venue="tiny",
        symbol="A-USDT",
        event_ns=10**18,
        native="AUSDT",
        kind=Kind.SPOT,
        status=ListingStatus.LIVE,
        tick=0.1,
        lot=0.1,
        turnover=5.0,
        followed=True,
    )
    assert not first["B-USDT"].followed
    rig.now += 300 * 10**9
    await rig.registry.refresh()
    assert await rig.published("A-USDT") == {}
    rig.list(*USUAL, B_USDT={"tick": 0.5}, C_USDT={"status": "halted"}, E_USDT={"listed_ns": 7})
    await rig.registry.refresh()
    changed = await rig.published("B-USDT")
    assert {symbol: (one.tick, one.status, one.followed) for symbol, one in changed.items()} == {
        "A-USDT": (0.1, "live", False),
        "B-USDT": (0.5, "live", True),
        "C-USDT": (0.1, "halted", False),
        "E-USDT": (0.1, "live", False),
    }
    assert changed["C-USDT"].event_ns == rig.now
    assert INSTRUMENTS.labels("tiny", "halted")._value.get() == 1


async def test_who_is_gone_is_delisted_once_and_may_come_back(rig: Rig) -> None:
    await rig.registry.refresh()
    await rig.published()
    rig.list("A-USDT", "B-USDT", "C-USDT")
    await rig.registry.refresh()
    assert {one.symbol: one.status for one in (await rig.published()).values()} == {"D-USDT": "delisted"}
    assert await rig.published() == {}
    rig.list(*USUAL)
    await rig.registry.refresh()
    assert {one.symbol: one.status for one in (await rig.published()).values()} == {"D-USDT": "live"}


async def test_earlier_names_stay_aliases_also_over_a_restart(rig: Rig) -> None:
    await rig.registry.refresh()
    await rig.published()
    rig.list(*USUAL, A_USDT={"native": "ANEW"})
    await rig.registry.refresh()
    assert rig.registry.catalogue["A-USDT"].aliases == ("AUSDT",)
    assert (await rig.published())["A-USDT"].aliases == ("AUSDT",)
    rig.list(*USUAL, A_USDT={"native": "ANEWER"})
    await rig.registry.refresh()
    said = (await rig.published())["A-USDT"]
    assert said.aliases == ("AUSDT", "ANEW")
    rig.list(*USUAL, A_USDT={"native": "AUSDT"})  # and back, while nobody looked
    rig.registry.catalogue.clear()
    await rig.registry.refresh()
    rig.registry.remember([said])
    assert set(rig.registry.catalogue["A-USDT"].aliases) == {"ANEW", "ANEWER"}


async def test_what_the_topic_says_already_is_not_said_again(rig: Rig) -> None:
    await rig.registry.refresh()
    said = [decode(encode(one)) for one in (await rig.published()).values()]
    assert all(isinstance(one, Listing) for one in said)
    rig.broker.events.clear()
    again = Registry(rig.registry._venue, rig.registry._rest, rig.broker, clock=lambda: 7)
    rig.list("A-USDT", "B-USDT", "C-USDT", "E-USDT")
    await again.refresh()
    again.remember([one for one in said if isinstance(one, Listing)])
    await again.publish((), {})
    assert {one.symbol: one.status for one in rig.broker.events} == {"D-USDT": "delisted", "E-USDT": "live"}


async def test_a_catalogue_that_is_empty_or_lost_more_than_half_is_not_believed_at_once(rig: Rig) -> None:
    await rig.registry.refresh()
    before = failures("doubtful")
    rig.list("A-USDT")
    for _ in range(2):
        assert not await rig.registry.refresh()
        assert rig.registry.doubtful
        assert len(rig.registry.catalogue) == 4
    assert failures("doubtful") == before + 2
    assert await rig.registry.refresh()  # said three times in a row: so it is
    assert list(rig.registry.catalogue) == ["A-USDT"]
    assert not rig.registry.doubtful
    rig.answer = []
    for _ in range(9):
        assert not await rig.registry.refresh()
    assert list(rig.registry.catalogue) == ["A-USDT"]


async def test_half_that_is_marked_delisted_is_doubted_like_half_that_is_gone(rig: Rig) -> None:
    await rig.registry.refresh()
    gone = {"status": "delisted"}
    rig.list("A-USDT", B_USDT=gone, C_USDT=gone, D_USDT=gone)
    assert not await rig.registry.refresh()
    rig.list("A-USDT", "B-USDT", C_USDT=gone, D_USDT=gone)
    assert await rig.registry.refresh()


async def test_a_refusal_or_a_broken_reader_leaves_the_catalogue_as_it_was(rig: Rig) -> None:
    await rig.registry.refresh()
    before = failures("unanswered")
    for answer in (httpx.Response(400), httpx.Response(200, content=b"<html>"), ["broken"]):
        rig.answer = answer
        assert not await rig.registry.refresh()
    assert failures("unanswered") == before + 3
    assert len(rig.registry.catalogue) == 4


async def test_the_first_catalogue_is_asked_for_until_it_holds_something(tiny, rest_of) -> None:
    rig = Rig(tiny, rest_of)
    answers: list[object] = [httpx.Response(400), [], [("A-USDT", {})]]
    registry = Registry(rig.registry._venue, rest_of(lambda path: answers.pop(0)), rig.broker)
    await registry.begin(QUICK)
    assert list(registry.catalogue) == ["A-USDT"]


async def test_names_that_cannot_be_written_are_counted_and_left_out(rig: Rig, caplog) -> None:
    rig.list(
        "A-USDT",
        B_USDT={"symbol": "b-USDT", "odd": True},
        C_USDT={"native": "C\u202eUSDT"},
        D_USDT={"symbol": "A-USDT", "native": "ATWICE", "odd": True},
        E_USDT={"symbol": "A|B-USDT", "odd": True},
    )
    assert await rig.registry.refresh()
    assert list(rig.registry.catalogue) == ["A-USDT"]
    assert rig.registry.catalogue["A-USDT"].native == "AUSDT"
    assert LEFT_OUT.labels("tiny", "name")._value.get() == 3
    assert LEFT_OUT.labels("tiny", "double")._value.get() == 1
    said = caplog.text.count("left out")
    await rig.registry.refresh()
    assert caplog.text.count("left out") == said


async def test_what_the_broker_does_not_take_is_said_the_next_time(rig: Rig) -> None:
    await rig.registry.refresh()
    rig.broker.down = True
    assert await rig.published() == {}
    rig.broker.down = False
    assert len(await rig.published()) == 4


async def test_a_step_that_is_not_known_is_absent(rig: Rig) -> None:
    nan = Instrument(symbol="A-USDT", native="A", kind=parse("A-USDT"), tick=float("nan"), lot=0.0)
    rig.registry.catalogue["A-USDT"] = nan
    said = (await rig.published())["A-USDT"]
    assert (said.tick, said.lot) == (None, None)
    assert decode(encode(said)) == said
