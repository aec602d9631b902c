"""The fake's pace: the documented limits, on a clock of our own."""

from deploy.local.sandbox.telegram_floods import Floods


def test_a_chat_takes_a_short_burst_and_then_one_a_second():
    floods = Floods()
    assert [floods.wait_s(1, 10.0) for _ in range(3)] == [None, None, None]
    assert floods.wait_s(1, 10.0) == 1
    assert floods.wait_s(1, 10.5) == 1  # before the second had passed
    assert [early.too_early_s for early in floods.early] == [0.5]
    assert floods.wait_s(1, 11.0) is None
    assert floods.wait_s(2, 11.0) is None  # another chat is another matter


def test_one_a_second_is_never_too_fast():
    floods = Floods()
    assert all(floods.wait_s(1, float(second)) is None for second in range(300))


def test_a_group_takes_twenty_a_minute():
    floods = Floods()
    assert all(floods.wait_s(-100, float(second)) is None for second in range(20))
    assert floods.wait_s(-100, 20.0) == 40
    assert floods.wait_s(-100, 60.0) is None


def test_a_bot_sends_thirty_a_second():
    floods = Floods()
    assert all(floods.wait_s(chat, 5.0) is None for chat in range(1, 31))
    assert floods.wait_s(31, 5.0) == 1
    assert floods.wait_s(31, 6.0) is None


def test_a_ban_holds_until_its_end():
    floods = Floods()
    floods.ban(7, 35, 100.0)
    assert floods.wait_s(7, 100.0) == 35
    assert floods.wait_s(7, 134.9) == 1
    assert floods.wait_s(7, 135.0) is None
    assert len(floods.early) == 2
