"""Whom ingest follows: the named, and the busiest without flapping."""

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import ListingStatus
from libs.common.runtime.backoff import Backoff
from libs.common.runtime.errors import ConfigurationError
from services.ingest.listings.universe import Universe, picked
from services.ingest.listings.wishes import Top
from services.ingest.metrics import CATALOGUE_FAILURES, UNKNOWN_SYMBOLS
from services.ingest.venues.terms import AnswerError, Instrument, Request

QUICK = Backoff(initial_s=0.001, cap_s=0.002)
NAMES = [f"C{number}" for number in range(30)]


@given(
    count=st.integers(1, 20),
    rounds=st.lists(st.dictionaries(st.sampled_from(NAMES), st.floats(0, 1e12)), min_size=1, max_size=6),
)
def test_the_first_n_are_in_and_nobody_behind_n_and_a_fifth_is(count: int, rounds: list[dict[str, float]]) -> None:
    members: set[str] = set()
    for turnover in rounds:
        before, members = members, picked(Top(count), turnover, NAMES, members)
        order = sorted(turnover, key=lambda one: (-turnover[one], one))
        assert set(order[:count]) <= members <= set(order[: int(count * 1.2)])
        assert members - before <= set(order[:count])  # who is new ranks among the first N
        assert not (before & set(order[: int(count * 1.2)])) - members  # who is within the slack stays


def test_who_swings_around_the_border_does_not_flap() -> None:
    turnover = {name: 1000.0 - number for number, name in enumerate(NAMES)}
    members = picked(Top(10), turnover, NAMES, ())
    assert members == set(NAMES[:10])
    for swing in range(20):  # the tenth and the eleventh change places at every look
        turnover["C9"], turnover["C10"] = (5.0 + 985, 991.0) if swing % 2 else (991.0, 990.0)
        members = picked(Top(10), turnover, NAMES, members)
    assert members == set(NAMES[:11])
    turnover["C9"] = 0.0
    assert "C9" not in picked(Top(10), turnover, NAMES, members)


class Rig:
    """A universe over a made-up venue whose turnover and catalogue are set by the test."""

    def __init__(self, tiny: Any, rest_of: Callable[..., Any], *words: str, pick_every_s: float = 3600.0) -> None:
        class Ranked(tiny.Venue):  # type: ignore[misc]  # the fixture's class
            def turnover_requests(self) -> list[Request]:
                return [Request(url="http://rest/turnover")]

            def turnover(self, bodies: Any, instruments: Any) -> dict[str, float]:
                (body,) = bodies
                if not body.startswith(b"{"):
                    raise AnswerError("no turnover")
                return {name: worth for name, worth in msgspec.json.decode(body).items() if name in instruments}

        self.tiny = tiny
        self.answer: object = {}
        self.asked = 0
        self.now = 0.0
        self.universe = Universe(
            Ranked(), rest_of(self._answer), words, pick_every_s=pick_every_s, clock=lambda: self.now
        )

    def _answer(self, path: str) -> object:
        assert path == "turnover"
        self.asked += 1
        return self.answer.pop(0) if isinstance(self.answer, list) else self.answer

    def catalogue(self, **status: ListingStatus) -> dict[str, Instrument]:
        return {
            f"{base}-USDT": msgspec.structs.replace(self.tiny.Venue.instrument(f"{base}-USDT"), status=one)
            for base, one in status.items()
        }


LIVE, HALTED, GONE, SOON = (
    ListingStatus.LIVE,
    ListingStatus.HALTED,
    ListingStatus.DELISTED,
    ListingStatus.ANNOUNCED,
)


async def test_the_named_come_first_and_the_busiest_by_what_is_traded(tiny, rest_of) -> None:
    rig = Rig(tiny, rest_of, "D-USDT", "top:2")
    rig.answer = {"A-USDT": 5.0, "B-USDT": 7.0, "C-USDT": 6.0, "D-USDT": 1.0, "H-USDT": 99.0}
    found = await rig.universe.begin(rig.catalogue(A=LIVE, B=LIVE, C=LIVE, D=LIVE, H=HALTED))
    assert list(found) == ["D-USDT", "B-USDT", "C-USDT"]  # who is halted is not chosen anew


async def test_the_turnover_is_asked_for_again_until_it_comes(tiny, rest_of) -> None:
    rig = Rig(tiny, rest_of, "top:1")
    rig.answer = [httpx.Response(400), [], {}, {"A-USDT": 1.0}]
    before = CATALOGUE_FAILURES.labels("tiny", "turnover")._value.get()
    assert list(await rig.universe.begin(rig.catalogue(A=LIVE), QUICK)) == ["A-USDT"]
    assert CATALOGUE_FAILURES.labels("tiny", "turnover")._value.get() == before + 3


async def test_the_busiest_are_chosen_again_once_an_hour_and_kept_where_that_fails(tiny, rest_of) -> None:
    rig = Rig(tiny, rest_of, "top:1")
    catalogue = rig.catalogue(A=LIVE, B=LIVE)
    rig.answer = {"A-USDT": 2.0, "B-USDT": 1.0}
    await rig.universe.begin(catalogue)
    rig.answer = {"A-USDT": 1.0, "B-USDT": 2.0}
    rig.now = 3599.0
    assert list(await rig.universe.choose(catalogue)) == ["A-USDT"]
    assert rig.asked == 1
    rig.now = 3600.0
    assert list(await rig.universe.choose(catalogue)) == ["B-USDT"]
    rig.now = 7200.0
    rig.answer = httpx.Response(400)
    assert list(await rig.universe.choose(catalogue)) == ["B-USDT"]
    rig.answer = {"A-USDT": 9.0}  # says nothing of who is followed: that is no reason to leave it
    assert list(await rig.universe.choose(catalogue)) == ["B-USDT"]
    rig.answer = {"A-USDT": 9.0, "B-USDT": 1.0}
    assert list(await rig.universe.choose(catalogue)) == ["A-USDT"]


async def test_who_is_halted_stays_and_who_is_delisted_leaves_at_once(tiny, rest_of) -> None:
    rig = Rig(tiny, rest_of, "N-USDT", "top:2")
    rig.answer = {"A-USDT": 2.0, "B-USDT": 1.0, "N-USDT": 0.5}
    await rig.universe.begin(rig.catalogue(A=LIVE, B=LIVE, N=LIVE))
    assert list(await rig.universe.choose(rig.catalogue(A=HALTED, B=LIVE, N=HALTED))) == ["N-USDT", "A-USDT", "B-USDT"]
    assert list(await rig.universe.choose(rig.catalogue(A=LIVE, B=GONE, N=GONE))) == ["A-USDT"]
    assert list(await rig.universe.choose(rig.catalogue(B=LIVE, N=LIVE))) == ["N-USDT"]  # B waits for the next choice


async def test_a_symbol_that_is_not_listed_yet_is_said_once_and_followed_when_it_trades(tiny, rest_of, caplog) -> None:
    rig = Rig(tiny, rest_of, "A-USDT", "NEW-USDT")
    assert list(await rig.universe.begin(rig.catalogue(A=LIVE))) == ["A-USDT"]
    assert list(await rig.universe.choose(rig.catalogue(A=LIVE, NEW=SOON))) == ["A-USDT"]
    assert caplog.text.count("does not list NEW-USDT") == 1
    assert UNKNOWN_SYMBOLS.labels("tiny")._value.get() == 1
    assert list(await rig.universe.choose(rig.catalogue(A=LIVE, NEW=LIVE))) == ["A-USDT", "NEW-USDT"]
    assert UNKNOWN_SYMBOLS.labels("tiny")._value.get() == 0


async def test_wishes_that_cannot_be_met_end_the_start(tiny, rest_of) -> None:
    with pytest.raises(ConfigurationError, match="lists none of NO-USDT"):
        await Rig(tiny, rest_of, "NO-USDT").universe.begin({})
    rig = Rig(tiny, rest_of, "top:3:PERP")
    rig.answer = {"A-USDT": 1.0}
    with pytest.raises(ConfigurationError, match="trades nothing that top:3:PERP chooses"):
        await rig.universe.begin(rig.catalogue(A=LIVE))
    with pytest.raises(ConfigurationError, match="tiny does not say its turnover, so top:5 cannot be chosen"):
        Universe(tiny.Venue(), rest_of(lambda path: {}), ("top:5", "A-USDT"))
