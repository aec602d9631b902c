from libs.common.events import MINUTE_NS, SECOND_NS, BookSnapshot, Candle, Gap, Side, Timeframe, Trade
from services.signals.engine.engine import Engine

START = 1_700_006_400 * SECOND_NS  # 2023-11-15 00:00:00 UTC
_ids = iter(range(1, 10**9))


def trade(at_s, price=100.0, size=1.0, side=Side.BUY, trade_id=None):
    at_ns = START + round(at_s * SECOND_NS)
    trade_id = trade_id or str(next(_ids))
    return Trade(
        venue="v",
        symbol="S-USDT",
        event_ns=at_ns,
        received_ns=at_ns + 5,
        price=price,
        size=size,
        side=side,
        trade_id=trade_id,
    )


def book(at_s):
    at_ns = START + round(at_s * SECOND_NS)
    return BookSnapshot(
        venue="v",
        symbol="S-USDT",
        event_ns=at_ns,
        received_ns=at_ns,
        bids=((99.0, 1.0),),
        asks=((101.0, 1.0),),
        sequence=at_ns,
    )


def gap(from_s, to_s, recovered=False, stream="trades"):
    return Gap(
        venue="v",
        symbol="S-USDT",
        event_ns=START + round(to_s * SECOND_NS),
        received_ns=0,
        stream=stream,
        from_ns=START + round(from_s * SECOND_NS),
        to_ns=START + round(to_s * SECOND_NS),
        cause="disconnect",
        recovered=recovered,
    )


def candles(events, engine=None):
    engine = engine or Engine()
    return [out for event in events for out in engine.apply(event) if isinstance(out, Candle)]


def test_a_trade_at_the_end_closes_the_bar_before_it():
    tape = [
        trade(0, 100.0, 2.0),
        trade(20, 103.0, 1.0, Side.SELL),
        trade(40, 99.0, 0.5, Side.SELL),
        trade(59.999, 101.0, 1.5),
        trade(60, 50.0),
    ]
    (bar,) = candles(tape)
    assert (bar.timeframe, bar.open_ns, bar.open, bar.high, bar.low, bar.close) == (
        Timeframe.M1,
        START,
        100.0,
        103.0,
        99.0,
        101.0,
    )
    assert (bar.volume, bar.taker_buy_volume, bar.trades, bar.complete, bar.closed) == (5.0, 3.5, 4, True, True)
    assert (bar.event_ns, bar.received_ns) == (START + MINUTE_NS, START + MINUTE_NS + 5)


def test_other_streams_close_a_bar_two_seconds_after_its_end():
    assert candles([trade(0), book(61.999)]) == []
    (bar,) = candles([trade(0), book(62)])
    assert bar.event_ns == START + 62 * SECOND_NS


def test_a_bar_whose_beginning_was_not_observed_is_incomplete():
    assert [bar.complete for bar in candles([trade(30), trade(60), trade(120)])] == [False, True]
    assert [bar.complete for bar in candles([book(-1), trade(30), trade(60)])] == [True]


def test_silent_minutes_are_flat_at_the_last_close():
    bars = [bar for bar in candles([trade(0, 100.0), trade(1, 105.0), trade(240, 99.0)]) if bar.timeframe == "1m"]
    assert [bar.open_ns for bar in bars] == [START + n * MINUTE_NS for n in range(4)]
    assert [(b.open, b.high, b.low, b.close, b.volume, b.trades) for b in bars[1:]] == [(105.0,) * 4 + (0.0, 0)] * 3
    assert all(bar.complete for bar in bars)


def test_five_minutes_close_with_their_last_minute_after_it():
    bars = candles([trade(m * 60 + 1, 100.0 + m) for m in range(-1, 6)])
    before = ["1m", "5m", "15m", "1h", "4h", "1d"]
    assert [bar.timeframe for bar in bars] == [*before, *["1m"] * 5, "5m"]
    last = bars[-1]
    assert (last.open, last.high, last.low, last.close, last.trades, last.complete) == (
        100.0,
        104.0,
        100.0,
        104.0,
        5,
        True,
    )


def test_an_unrecovered_gap_inside_makes_bars_incomplete():
    bars = candles([trade(0), trade(10), gap(10, 20), trade(30), trade(70), trade(130)])
    assert [bar.complete for bar in bars] == [False, True]


def test_a_gap_ends_with_the_next_trade_when_nothing_else_ends_it():
    bars = candles([trade(0), gap(10, 10), trade(70), trade(130), trade(190)])
    assert [bar.complete for bar in bars] == [False, False, True]


def test_a_recovered_gap_leaves_bars_complete():
    bars = candles([trade(0), gap(10, 10), trade(20), gap(10, 20, recovered=True), trade(60)])
    assert [bar.complete for bar in bars] == [True]


def test_a_gap_known_after_the_minute_closed_still_spoils_the_longer_bar():
    tape = [book(-1), *(trade(m * 60) for m in range(4)), gap(65, 70), trade(240), trade(300)]
    bars = candles(tape)
    assert [(bar.timeframe, bar.complete) for bar in bars] == [("1m", True)] * 5 + [("5m", False)]


def test_late_trades_are_counted_and_rewrite_nothing():
    engine = Engine()
    bars = candles([trade(0), trade(60), trade(59, 1.0), trade(120)], engine)
    assert [bar.low for bar in bars] == [100.0, 100.0]
    assert engine.counts() == {"trades_late": 1}


def test_duplicates_are_counted_and_change_nothing():
    engine = Engine()
    first = trade(0)
    bars = candles([first, first, trade(60)], engine)
    assert bars[0].trades == 1
    assert engine.counts() == {"trades_duplicate": 1}


def test_trades_within_a_bar_are_put_in_order_of_time():
    (bar,) = candles([trade(10, 100.0), trade(5, 99.0), trade(20, 103.0), trade(15, 102.0), trade(60)])
    assert (bar.open, bar.close) == (99.0, 103.0)


def test_a_silence_of_more_than_a_day_is_a_hole():
    bars = candles([trade(0), trade(1), trade(2 * 86_400 + 30), trade(2 * 86_400 + 60), trade(2 * 86_400 + 120)])
    minutes = [bar for bar in bars if bar.timeframe == "1m"]
    assert [(bar.open_ns, bar.complete) for bar in minutes] == [
        (START, False),
        (START + 2880 * MINUTE_NS, False),
        (START + 2881 * MINUTE_NS, True),
    ]
    assert all(not bar.complete for bar in bars if bar.timeframe != "1m")
    assert {bar.timeframe for bar in bars} == {"1m", "5m", "15m", "1h", "4h", "1d"}


def test_numbers_that_cannot_be_are_counted_and_ignored():
    engine = Engine()
    engine.apply(trade(0, float("nan")))
    engine.apply(trade(0, float("inf")))
    engine.apply(trade(0, 1.0, -1.0))
    assert engine.counts() == {"trades_invalid": 3}


def test_a_dump_goes_on_where_it_stood():
    tape = [trade(t * 7, 100.0 + t % 13, side=Side.SELL if t % 3 else Side.BUY) for t in range(200)]
    whole = candles(tape)
    engine = Engine()
    head = candles(tape[:77], engine)
    again = Engine.load(engine.dump(), None)
    assert again.dump() == engine.dump()
    assert head + candles(tape[77:], again) == whole


def test_a_trade_of_the_minute_before_the_first_one_is_late():
    engine = Engine()
    assert candles([trade(65), trade(50)], engine) == []
    assert engine.counts() == {"trades_late": 1}


def test_volumes_do_not_drift():
    """Ten thousand times 0.1 is a thousand, and not 1000.0000000001588."""
    (bar,) = candles([*(trade(n / 200, size=0.1, trade_id=f"d{n}") for n in range(10_000)), trade(60)])
    assert (bar.volume, bar.taker_buy_volume) == (1000.0, 1000.0)
