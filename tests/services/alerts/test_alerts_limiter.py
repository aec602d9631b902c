"""The pace of one sender, on a clock of our own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.alerts.limiter import Limiter, Pace


def test_one_a_second_to_one_chat():
    limiter = Limiter()
    assert limiter.wait_s("1", 10.0) == 0
    limiter.take("1", 10.0)
    assert limiter.wait_s("1", 10.25) == pytest.approx(0.75)
    assert limiter.busy(10.25) == ["1"]
    assert limiter.wait_s("2", 10.25) == 0
    assert limiter.wait_s("1", 11.0) == 0
    assert limiter.busy(11.0) == []


@pytest.mark.parametrize("group", ["-100123", "@channel"])
def test_twenty_a_minute_to_one_group(group):
    limiter = Limiter()
    for second in range(20):
        assert limiter.wait_s(group, float(second)) == 0
        limiter.take(group, float(second))
    assert limiter.wait_s(group, 21.0) == pytest.approx(39.0)
    assert limiter.wait_s(group, 60.0) == 0
    limiter.take(group, 60.0)
    assert limiter.wait_s(group, 61.0) == 0  # the second of the first twenty is a minute old as well


def test_a_person_may_be_told_more():
    limiter = Limiter()
    for second in range(60):
        assert limiter.wait_s("1", float(second)) == 0
        limiter.take("1", float(second))


def test_twenty_five_a_second_over_all():
    limiter = Limiter()
    for chat in range(25):
        assert limiter.capacity(5.0) == 25 - chat
        limiter.take(str(chat), 5.0)
    assert limiter.capacity(5.5) == 0
    assert limiter.wait_s("99", 5.5) == pytest.approx(0.5)
    assert limiter.next_change_s(5.5) == pytest.approx(0.5)
    assert limiter.capacity(6.0) == 25


def test_one_chat_s_wait_stops_no_other():
    limiter = Limiter()
    limiter.hold("1", 1386.0, 0.0)
    limiter.hold("2", 35.0, 0.0)
    assert limiter.busy(34.9) == ["1", "2"]
    assert limiter.busy(35.0) == ["1"]
    assert limiter.capacity(1.0) == 25
    assert limiter.wait_s("3", 1.0) == 0
    assert limiter.wait_s("1", 1000.0) == pytest.approx(386.0)
    limiter.hold("1", 1.0, 1000.0)  # a shorter wait never ends a longer one
    assert limiter.wait_s("1", 1002.0) == pytest.approx(384.0)


def test_many_chats_waiting_at_once_stop_everyone_for_the_shortest_wait():
    limiter = Limiter()
    limiter.hold("1", 100.0, 0.0)
    limiter.hold("2", 3.0, 1.0)
    assert limiter.capacity(2.0) == 25
    limiter.hold("3", 7.0, 2.0)
    assert limiter.capacity(3.9) == 0
    assert limiter.wait_s("9", 3.0) == pytest.approx(1.0)  # until 4.0, when chat 2 may be sent to
    assert limiter.capacity(4.0) == 25
    assert limiter.busy(4.0) == ["1", "3"]


def test_nothing_ahead_when_nothing_was_sent():
    assert Limiter().next_change_s(0.0) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["1", "2", "-5"]), st.floats(0.0, 2.0)), max_size=120))
def test_whoever_asks_first_never_exceeds_a_budget(wishes):
    limiter = Limiter(Pace(chat_interval_s=0.5, group_per_minute=4, overall_per_s=3))
    now_s, sent = 0.0, []
    for chat, gap_s in wishes:
        now_s += gap_s
        now_s += limiter.wait_s(chat, now_s)
        assert chat not in limiter.busy(now_s + 1e-9)
        limiter.take(chat, now_s)
        sent.append((now_s, chat))
    for at, chat in sent:
        assert sum(at <= other < at + 1 - 1e-6 for other, _ in sent) <= 3
        assert sum(at <= other < at + 0.5 - 1e-6 for other, name in sent if name == chat) <= 1
        assert sum(at <= other < at + 60 - 1e-6 for other, name in sent if name == chat == "-5") <= 4
