"""A tape of trades whose ids have no order: nothing twice, nothing missing unseen."""

from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Side, Trade
from services.ingest.recovery.recent import RecentTape
from services.ingest.recovery.tape import Hole


def _trade(number, received_ns=0) -> Trade:
    return Trade(
        venue="bybit",
        symbol="BTC-USDT-PERP",
        event_ns=number * 10,
        received_ns=received_ns,
        price=1.0,
        size=1.0,
        side=Side.BUY,
        trade_id=f"id-{number * 7919 % 1000:03d}",  # no order to be seen
    )


def _ids(trades) -> list[int]:
    return [trade.event_ns // 10 for trade in trades]


def _hole(tape: RecentTape) -> Hole | None:
    return tape.hole  # a call: the checker must not remember the last answer


def _tape(*numbers, limit=20_000) -> RecentTape:
    tape = RecentTape(limit=limit)
    for number in numbers:
        assert _ids(tape.offer(_trade(number))) == [number]
    return tape


def test_an_unbroken_connection_is_published_as_it_comes_once() -> None:
    tape = _tape(1, 2, 3)
    assert tape.offer(_trade(2)) == []
    assert (tape.duplicates, tape.hole, tape.held) == (1, None, 0)
    assert tape.last is not None
    assert tape.last.trade_id == _trade(3).trade_id


def test_after_an_interruption_a_page_that_joins_both_ends_fills_the_hole() -> None:
    tape = _tape(1, 2)
    tape.interrupted()
    assert tape.offer(_trade(5, received_ns=55)) == tape.offer(_trade(6)) == []
    assert tape.offer(_trade(6)) == []
    assert tape.duplicates == 1
    assert tape.hole is not None
    assert (tape.hole.after.event_ns, tape.hole.until.event_ns, tape.hole.missing) == (20, 50, (None, None))
    out = tape.merge([_trade(2), _trade(3), _trade(4), _trade(5)])
    assert _ids(out) == [3, 4, 5, 6]
    assert out[2].received_ns == 55  # the live copy
    assert _hole(tape) is None
    assert _ids(tape.offer(_trade(7))) == [7]


def test_a_page_that_does_not_reach_the_live_trades_leaves_the_hole_open() -> None:
    tape = _tape(1)
    tape.interrupted()
    tape.offer(_trade(9))
    assert _ids(tape.merge([_trade(2), _trade(3)])) == [2, 3]
    assert tape.hole is not None
    assert (tape.hole.after.event_ns, tape.held) == (30, 1)
    assert _ids(tape.release()) == [9]
    assert _hole(tape) is None


def test_a_second_interruption_is_a_second_hole() -> None:
    tape = _tape(1)
    tape.interrupted()
    tape.offer(_trade(3))
    tape.interrupted()
    tape.offer(_trade(6))
    assert _ids(tape.merge([_trade(2), _trade(3), _trade(4)])) == [2, 3, 4]  # 5 is still unknown
    assert tape.held == 1
    tape.interrupted()
    assert _ids(tape.release()) == [6]
    assert tape.offer(_trade(8)) == []  # nobody knows what was between 6 and 8
    assert tape.hole is not None


def test_giving_up_releases_one_hole_after_the_other() -> None:
    tape = _tape(1)
    for number in (3, 6):
        tape.interrupted()
        tape.offer(_trade(number))
    assert _ids(tape.release()) == [3]
    assert tape.hole is not None
    assert _ids(tape.release()) == [6]
    assert not tape.release()
    assert _hole(tape) is None


def test_a_restart_continues_behind_the_last_trade() -> None:
    tape = RecentTape()
    assert tape.merge([_trade(1)]) == []
    tape.interrupted()  # nothing was heard before: no hole
    tape.resume(_trade(4).trade_id, 40)
    assert tape.offer(_trade(4)) == []
    assert tape.offer(_trade(6)) == []
    assert _ids(tape.merge([_trade(4), _trade(5), _trade(6)])) == [5, 6]


def test_what_is_held_and_known_is_bounded() -> None:
    tape = RecentTape(limit=2, remembered=3)
    for number in range(6):
        tape.offer(_trade(number))
    assert _ids(tape.offer(_trade(0))) == [0]  # forgotten, long ago
    tape.interrupted()
    tape.offer(_trade(11))
    assert not tape.full
    tape.offer(_trade(12))
    assert tape.full


@given(lost=st.sets(st.integers(1, 30)), cuts=st.sets(st.integers(1, 30)), data=st.data())
def test_with_pages_that_reach_back_the_tape_is_the_uninterrupted_one(lost, cuts, data) -> None:
    """Trades are lost only around cuts; whenever a hole shows, a page of what the venue has so far is merged."""
    tape = _tape(0)
    out = [0]
    down = False
    for number in range(1, 31):
        if number in cuts:
            tape.interrupted()
            down = True
        if down and number in lost:
            continue
        down = False
        out += _ids(tape.offer(_trade(number)))
        if tape.hole is not None and data.draw(st.booleans()):
            seen = data.draw(st.integers(0, number))
            out += _ids(tape.merge([_trade(one) for one in range(out[-1] + 1, seen + 1)]))
    if tape.hole is not None:
        out += _ids(tape.merge([_trade(one) for one in range(out[-1] + 1, 31)]))
    assert out == list(range(out[-1] + 1))
    assert tape.hole is None


def _replayed(*numbers) -> RecentTape:
    tape = RecentTape(replayed=True)
    for number in numbers:
        tape.offer(_trade(number))
    return tape


def test_a_known_trade_at_the_beginning_of_a_connection_proves_that_nothing_is_missing() -> None:
    tape = _replayed(1, 2, 3)
    tape.interrupted()
    assert [_ids(tape.offer(_trade(number))) for number in (2, 3, 4, 5)] == [[], [], [4], [5]]
    assert (tape.duplicates, tape.held, tape.hole) == (2, 0, None)


def test_elsewhere_a_known_trade_proves_nothing() -> None:
    tape = _tape(1, 2)
    tape.interrupted()
    assert tape.offer(_trade(2)) == tape.offer(_trade(4)) == []
    assert tape.hole is not None


def test_what_an_earlier_run_published_does_not_come_again_from_the_beginning_of_a_connection() -> None:
    tape = RecentTape(replayed=True)
    tape.resume(_trade(4).trade_id, 40)
    assert [_ids(tape.offer(_trade(number))) for number in (2, 3)] == [[], []]
    assert (tape.duplicates, tape.held) == (2, 0)
    assert [_ids(tape.offer(_trade(number))) for number in (4, 5)] == [[], [5]]
    late = RecentTape(replayed=True)
    late.resume(_trade(4).trade_id, 40)
    assert late.offer(_trade(6)) == []  # 5 may be missing
    assert late.hole is not None


def test_what_waits_leaves_in_the_order_in_which_it_is_told_again() -> None:
    tape = _replayed(1)
    tape.interrupted()
    assert tape.offer(_trade(4, received_ns=44)) == tape.offer(_trade(5)) == []
    tape.interrupted()
    told = [tape.offer(_trade(number)) for number in (1, 2, 3, 4, 6)]
    assert [_ids(ready) for ready in told] == [[], [2], [3], [4], [5, 6]]
    assert told[3][0].received_ns == 44  # the live copy


@given(cuts=st.dictionaries(st.integers(1, 40), st.tuples(st.integers(0, 4), st.integers(1, 12))))
def test_with_replays_that_reach_back_no_page_is_needed(cuts) -> None:
    """After each cut some trades pass unheard; the next connection begins with more than those."""
    tape = _replayed(0)
    out, unheard, replay = [0], 0, 0
    for number in range(1, 61):
        if number in cuts:
            lost, more = cuts[number]
            tape.interrupted()
            unheard, replay = lost, max(lost + more, replay)
        if unheard:
            unheard -= 1
            replay += 1
            continue
        for again in range(max(number - replay, 0), number):
            out += _ids(tape.offer(_trade(again)))
        replay = 0
        out += _ids(tape.offer(_trade(number)))
    assert out == list(range(61))
    assert (tape.hole, tape.held) == (None, 0)
