"""Connections after changes of what is wanted: within the venue's limits, each thing once, few of them moved."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events.symbols import parse, perpetual, spot
from services.ingest.sockets.sharding import replanned
from services.ingest.venues import VENUES, Okx
from services.ingest.venues.terms import Instrument, Plan, Stream

ALL = tuple(Stream)
NATIVE = {
    "binance-usdm": lambda base, _: f"{base}USDT",
    "bybit": lambda base, number: f"{'linear' if number % 2 else 'spot'}:{base}USDT",
    "coinapi": lambda base, _: f"COINBASE_SPOT_{base}_USDT",
    "hyperliquid": lambda base, _: base,
    "kraken": lambda base, _: f"{base}/USDT",
    "okx": lambda base, number: f"{base}-USDT-SWAP" if number % 2 else f"{base}-USDT",
}

CONTRACTS = {"binance-usdm", "hyperliquid"}
"""Venues without spot."""


def _market(venue: str) -> list[Instrument]:
    found = []
    for number in range(120):
        base = f"C{number}"
        is_spot = venue in {"coinapi", "kraken"} or (venue not in CONTRACTS and number % 2 == 0)
        kind = spot(base, "USDT") if is_spot else perpetual(base, "USDT")
        found.append(Instrument(symbol=str(kind), native=NATIVE[venue](base, number), kind=kind, tick=0.1, lot=0.1))
    return found


def _okx(*bases: str) -> dict[str, Instrument]:
    return {
        f"{base}-USDT": Instrument(
            symbol=f"{base}-USDT", native=f"{base}-USDT", kind=spot(base, "USDT"), tick=0.1, lot=0.1
        )
        for base in bases
    }


def _pairs(plans: list[Plan]) -> Counter[tuple[str, Stream]]:
    return Counter((symbol, stream) for plan in plans for symbol in plan.symbols for stream in plan.streams)


@pytest.mark.parametrize("name", sorted(NATIVE))
@settings(max_examples=20)
@given(changes=st.lists(st.sets(st.integers(0, 119), max_size=120), min_size=1, max_size=5))
def test_any_sequence_of_changes_keeps_limits_and_hears_each_thing_once(name: str, changes: list[set[int]]) -> None:
    venue, market = VENUES[name](), _market(name)
    plans: list[Plan] = []
    for wanted_numbers in changes:
        wanted = {market[number].symbol: market[number] for number in sorted(wanted_numbers)}
        made = replanned(venue, plans, wanted, ALL)
        assert not made.refused
        assert len(made.plans) == len(plans)
        for before, after in zip(plans, made.plans, strict=True):
            if after is before:
                assert set(before.symbols) <= wanted.keys()
            elif after is not None:
                assert after.streams == before.streams
        plans = [plan for plan in made.plans if plan] + made.more
        assert _pairs(plans) == _pairs(venue.plan(list(wanted.values()), ALL))
        for plan in plans:  # each is one connection in the venue's own eyes
            assert [one.symbols for one in venue.plan([wanted[symbol] for symbol in plan.symbols], plan.streams)] == [
                plan.symbols
            ]


def test_only_the_connection_of_a_symbol_that_left_is_moved() -> None:
    market = _okx(*(f"C{number}" for number in range(60)))
    first = replanned(Okx(), (), market, ALL).more
    assert [len(plan.symbols) for plan in first] == [25, 25, 10]
    left = {symbol: one for symbol, one in market.items() if symbol != "C30-USDT"}
    made = replanned(Okx(), first, left, ALL)
    assert made.plans[0] is first[0]
    assert made.plans[2] is first[2]
    assert made.plans[1] is not None
    assert set(first[1].symbols) - set(made.plans[1].symbols) == {"C30-USDT"}
    assert made.more == []


def test_a_new_symbol_takes_the_room_there_is_and_then_a_connection_of_its_own() -> None:
    market = _okx(*(f"C{number}" for number in range(24)))
    first = replanned(Okx(), (), market, ALL).more
    made = replanned(Okx(), first, market | _okx("NEW", "NEWER"), ALL)
    assert [plan.symbols[-1] for plan in made.plans if plan] == ["NEW-USDT"]
    assert [plan.symbols for plan in made.more] == [("NEWER-USDT",)]


def test_a_connection_without_symbols_ends_and_one_that_reads_differently_is_made_anew() -> None:
    market = _okx("A", "B")
    first = replanned(Okx(), (), market, ALL).more
    assert replanned(Okx(), first, {}, ALL).plans == [None]
    assert replanned(Okx(), first, market, ALL).plans[0] is first[0]
    renewed = replanned(Okx(), first, market, ALL, {"B-USDT"}).plans[0]
    assert renewed is not first[0]
    assert renewed == first[0]


def test_a_name_that_cannot_be_sent_costs_nobody_else_anything() -> None:
    odd = Instrument(symbol="A-USDT-PERP", native="\ud800USDT", kind=parse("A-USDT-PERP"), tick=0.1, lot=0.1)
    good = Instrument(symbol="B-USDT-PERP", native="BUSDT", kind=parse("B-USDT-PERP"), tick=0.1, lot=0.1)
    made = replanned(VENUES["binance-usdm"](), (), {one.symbol: one for one in (odd, good)}, ALL)
    assert list(made.refused) == ["A-USDT-PERP"]
    assert {plan.symbols for plan in made.more} == {("B-USDT-PERP",)}
