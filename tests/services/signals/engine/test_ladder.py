"""Longer bars made of shorter ones against polars, and against an exchange's own candles of every length."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.common.events import MINUTE_NS, Timeframe
from services.signals.candle_files import read_bars, read_finest
from services.signals.engine.bars import Bar
from services.signals.engine.ladder import Ladder

MONDAY = 1_717_372_800 * 10**9  # 2024-06-03 00:00 UTC


def climb(base, bars):
    ladder, made = Ladder(base), {}
    for bar in bars:
        for timeframe, whole in ladder.add(bar).items():
            made[timeframe, whole.open_ns] = whole
    return made


def candle(open_ns, chance):
    low, first, last, high = sorted(round(chance.uniform(90, 110), 2) for _ in range(4))
    return Bar(open_ns, first, high, low, last, 1.0)


@pytest.mark.recordings
@pytest.mark.parametrize("coin", ["BTC", "ETH"])
@pytest.mark.parametrize(
    ("folder", "base", "others", "decimals"),
    [
        (
            "binance_spot_2024",
            "{}_USDT-5m.feather",
            {name: "{}_USDT-" + name + ".feather" for name in ("15m", "1h", "4h", "1d", "1w")},
            8,
        ),
        (
            "bybit_linear_2025",
            "{}USDT_1m.csv.gz",
            {name: "{}USDT_" + minutes + "m.csv.gz" for name, minutes in
             {"5m": "5", "15m": "15", "1h": "60", "4h": "240"}.items()},
            3,
        ),
    ],
    ids=["binance-spot", "bybit"],
)  # fmt: skip
def test_an_exchanges_short_candles_make_its_long_ones(recordings, folder, base, others, decimals, coin):
    folder = recordings / "ohlcv" / folder
    timeframe, bars = read_finest(folder / base.format(coin))
    made = climb(timeframe, bars)
    for name, file in others.items():
        longer = Timeframe(name)
        theirs = read_bars(folder / file.format(coin), longer)
        ends_ns = bars[-1].open_ns + timeframe.ns
        whole = [bar for bar in theirs if bar.open_ns >= bars[0].open_ns and bar.open_ns + longer.ns <= ends_ns]
        assert len(whole) >= len(theirs) - 2
        for bar in whole:
            own = made.pop((longer, bar.open_ns))
            assert (own.open, own.high, own.low, own.close) == (bar.open, bar.high, bar.low, bar.close)
            assert round(own.volume, decimals) == bar.volume  # to the exchange's last digit
        if folder.name == "binance_spot_2024":
            assert not [at for at in made if at[0] is longer]


@settings(max_examples=30)
@given(
    st.lists(st.booleans(), min_size=20, max_size=700),
    st.integers(0, 10),
    st.randoms(use_true_random=False),
)
def test_a_bar_that_lacks_a_part_is_never_made(present, offset, chance):
    bars = [candle(MONDAY + (n + offset) * MINUTE_NS, chance) for n, there in enumerate(present * 5) if there or n % 97]
    made = climb(Timeframe.M1, bars)
    table = pl.DataFrame(
        {"t": [b.open_ns for b in bars], "o": [b.open for b in bars], "h": [b.high for b in bars],
         "l": [b.low for b in bars], "c": [b.close for b in bars]}
    )  # fmt: skip
    for timeframe in (Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H4):
        minutes = timeframe.ns // MINUTE_NS
        groups = (
            table.with_columns(at=pl.col("t") // timeframe.ns * timeframe.ns)
            .group_by("at", maintain_order=True)
            .agg(pl.len(), pl.first("o"), pl.max("h"), pl.min("l"), pl.last("c"))
            .filter(pl.col("len") == minutes)
        )
        own = [
            (at, minutes, bar.open, bar.high, bar.low, bar.close)
            for (made_of, at), bar in made.items()
            if made_of is timeframe
        ]
        assert own == groups.rows()


def test_weeks_open_on_mondays():
    made = climb(Timeframe.D1, [Bar(MONDAY + n * Timeframe.D1.ns, 1.0, 2.0, 0.5, 1.5, 2.0) for n in range(-3, 8)])
    ((at, week),) = [(at, bar) for (timeframe, at), bar in made.items() if timeframe is Timeframe.W1]
    assert at == MONDAY
    assert week.volume == 14.0
