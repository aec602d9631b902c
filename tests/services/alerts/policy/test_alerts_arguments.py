"""What people write behind commands; what is no argument says what to write."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.alerts.policy.access import Role, lists_of
from services.alerts.policy.arguments import (
    Mistake,
    clock_of,
    duration_ns,
    minute_of,
    named_zone,
    quiet_of,
    quoted,
    symbol_of,
)
from services.alerts.policy.quiet import Quiet

S = 1_000_000_000


@pytest.mark.parametrize(
    ("text", "seconds"), [("30m", 1800), ("4h", 14_400), ("2d", 172_800), ("1M", 60), ("366d", 366 * 86_400)]
)
def test_durations(text, seconds):
    assert duration_ns(text) == seconds * S


@pytest.mark.parametrize("text", ["", "0m", "4", "h", "4 h", "-4h", "1.5h", "367d", "4w", "4h4h", "9999999m", "٤x"])
def test_no_durations(text):
    with pytest.raises(Mistake, match="write 30m, 4h or 2d"):
        duration_ns(text)


@given(st.integers(0, 1439))
def test_times_of_day_read_back(minute):
    assert minute_of(clock_of(minute)) == minute


@pytest.mark.parametrize("text", ["", "8", "24:00", "08:60", "8:0", "8:000", "ab:cd", "08:00:00", "-1:00"])
def test_no_times_of_day(text):
    with pytest.raises(Mistake, match="write 08:00"):
        minute_of(text)


def test_quiet_hours():
    assert quiet_of("22:00-07:00 Asia/Jakarta", "UTC") == Quiet(1320, 420, "Asia/Jakarta")
    assert quiet_of("9:30-17:00", "Europe/Berlin") == Quiet(570, 1020, "Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("22:00", "write 22:00-07:00"),
        ("22:00-", "write 08:00"),
        ("22:00-22:00", "different times"),
        ("22:00-07:00 Nowhere/City", "write UTC or Asia/Jakarta"),
        ("22:00-07:00 ../../etc/passwd", "write UTC or Asia/Jakarta"),
        ("22:00-07:00 \x00", "write UTC or Asia/Jakarta"),
    ],
)
def test_no_quiet_hours(text, says):
    with pytest.raises(Mistake, match=says):
        quiet_of(text, "UTC")


def test_zones_and_symbols():
    assert named_zone("Asia/Jakarta") == "Asia/Jakarta"
    assert symbol_of("btc-usdt-perp") == "BTC-USDT-PERP"
    assert symbol_of("BTC-USD-20261225") == "BTC-USD-20261225"


@pytest.mark.parametrize("text", ["", "BTC", "BTCUSDT", "BTC-", "BTC-USDT-SWAP", "a b-c", "<b>", "x" * 500])
def test_no_symbols(text):
    with pytest.raises(Mistake, match="write BTC-USDT") as found:
        symbol_of(text)
    assert len(str(found.value)) < 140


@given(st.text())
def test_no_text_breaks_anything(text):
    for read in (duration_ns, minute_of, symbol_of, lambda one: quiet_of(one, "UTC")):
        with contextlib.suppress(Mistake):
            read(text)
    assert len(quoted(text)) <= 43


def test_lists_of_users():
    lists = lists_of(["5", "6"], ["7"])
    assert [lists.role(user) for user in (4, 5, 7)] == [Role.ANYONE, Role.READER, Role.OWNER]
    assert lists.role(4, Role.OWNER) is Role.OWNER
    assert lists.role(7, Role.READER) is Role.OWNER
    assert lists_of([], []).role(0) is Role.ANYONE
    assert lists_of(["*"], []).role(4) is Role.READER


@pytest.mark.parametrize(
    ("allowed", "owners"), [(["@name"], []), (["-5"], []), (["5 6"], []), ([], ["*"]), (["0"], [])]
)
def test_who_is_no_user(allowed, owners):
    with pytest.raises(ValueError, match="no Telegram user"):
        lists_of(allowed, owners)
