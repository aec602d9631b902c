"""Two candles side by side: freqtrade#13397's wrong close, sums in binary, and minutes without trades."""

import msgspec
import pytest

from libs.common.events import Candle, Source, Timeframe
from services.ingest.candles.bar_check import Agreement, compared

OURS = Candle(
    venue="okx",
    symbol="BTC-USDT",
    event_ns=60,
    received_ns=60,
    timeframe=Timeframe.M1,
    open_ns=0,
    open=84.1,
    high=86.0,
    low=84.0,
    close=84.89,
    volume=0.1 + 0.2,
)
THEIRS = msgspec.structs.replace(OURS, volume=0.3, source=Source.REST)


def test_a_sum_in_binary_equals_the_venues_decimal():
    assert OURS.volume != THEIRS.volume
    assert compared(OURS, THEIRS, 1e-8) == (Agreement.EQUAL, "")
    assert compared(OURS, THEIRS, float("nan")) == (Agreement.EQUAL, "")


def test_a_close_that_was_still_forming_is_told():
    theirs = msgspec.structs.replace(THEIRS, close=85.75)
    assert compared(OURS, theirs, 1e-8) == (Agreement.DIFFERENT, "close 84.89, the venue's 85.75")


@pytest.mark.parametrize(("volume", "agreement"), [(0.3004, Agreement.EQUAL), (0.301, Agreement.DIFFERENT)])
def test_volumes_are_compared_by_the_lot(volume, agreement):
    assert compared(OURS, msgspec.structs.replace(THEIRS, volume=volume), 0.001)[0] is agreement


def test_every_field_that_differs_is_named():
    theirs = msgspec.structs.replace(THEIRS, open=1.0, high=2.0, low=3.0, close=4.0, volume=5.0)
    _, said = compared(OURS, theirs, 1e-8)
    assert [part.split()[0] for part in said.split("; ")] == ["open", "high", "low", "close", "volume"]


def test_a_bar_that_the_venue_does_not_list_is_ours_alone_unless_nothing_was_traded():
    assert compared(OURS, None, 1e-8)[0] is Agreement.UNLISTED
    assert compared(msgspec.structs.replace(OURS, volume=0.0), None, 1e-8)[0] is Agreement.EQUAL


def test_prices_of_bars_without_trades_are_a_convention():
    flat = msgspec.structs.replace(OURS, open=84.0, volume=0.0)
    assert compared(flat, msgspec.structs.replace(THEIRS, volume=0.0), 1e-8)[0] is Agreement.EQUAL
