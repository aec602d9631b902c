from libs.common.events import MINUTE_NS, Source, Timeframe
from libs.common.events.seen import Seen
from services.signals.engine.bars import Bar, History, merge
from services.signals.engine.config import EngineConfig
from services.signals.engine.frame import Frame
from services.signals.engine.holes import Hole, Holes

CONFIG = EngineConfig(history_bars=100)


def bar(minute, close=100.0, source=Source.TRADES):
    return Bar(minute * MINUTE_NS, close, close + 1, close - 1, close, 2.0, source)


def test_history_keeps_the_newest_and_the_first_value_of_each():
    history = History(Timeframe.M1, 3)
    assert [history.insert(bar(minute)) for minute in (5, 3, 4, 4, 6, 2)] == [True, True, True, False, True, False]
    assert [known.open_ns // MINUTE_NS for known in history.bars] == [4, 5, 6]


def test_a_run_ends_at_the_close_and_begins_at_the_last_hole():
    history = History(Timeframe.M1, 10)
    for minute in (1, 2, 4, 5, 6):
        history.insert(bar(minute))
    assert [known.open_ns // MINUTE_NS for known in history.run(6 * MINUTE_NS)] == [4, 5]
    assert [known.open_ns // MINUTE_NS for known in history.run(7 * MINUTE_NS, 2)] == [5, 6]
    assert history.run(4 * MINUTE_NS) == []
    assert history.run(9 * MINUTE_NS) == []


def test_bars_merge():
    merged = merge([bar(0, 100.0), bar(1, 105.0, Source.REST), bar(2, 99.0)])
    assert merged == Bar(0, 100.0, 106.0, 98.0, 99.0, 6.0, Source.REST)


def test_indicators_built_anew_equal_those_built_in_order():
    straight, mixed = Frame.new(Timeframe.M1, CONFIG), Frame.new(Timeframe.M1, CONFIG)
    bars = [bar(minute, 100.0 + minute % 7) for minute in range(1, 61)]
    for known in bars:
        straight.insert(known)
        straight.at(known.open_ns + MINUTE_NS, CONFIG)
    for known in [*bars[30:50], *bars[:20], *bars[50:], *bars[20:30]]:
        mixed.insert(known)
        mixed.at(known.open_ns + MINUTE_NS, CONFIG)
    assert mixed.at(61 * MINUTE_NS, CONFIG) == straight.at(61 * MINUTE_NS, CONFIG)
    assert mixed.at(61 * MINUTE_NS, CONFIG) == straight.at(61 * MINUTE_NS, CONFIG)
    assert mixed.at(62 * MINUTE_NS, CONFIG) is None


def test_holes_beyond_the_limit_are_merged_never_lost():
    holes = Holes()
    for n in range(100):
        holes.cut(10 * n, 10 * n + 5)
    assert len(holes.items) == 64
    assert holes.items[0] == Hole(0, 365)
    assert all(holes.touch(10 * n, 10 * n + 5) for n in range(100))
    assert not holes.touch(995, 1000)
    for n in range(70):
        holes.cut(2000 + n, -1)
    assert holes.touch(10**15, 10**15 + 1)


def test_ids_are_forgotten_in_two_generations():
    seen = Seen(10)
    assert all(seen.add(str(n)) for n in range(12))
    assert not any(seen.add(str(n)) for n in range(7, 12))
    assert seen.add("0")
    assert len(seen.young) + len(seen.old) <= 10
