"""What floods make of a pace; numbers by hand."""

import pytest

from services.alerts.policy.pace import Floods, quicker, room, slower

S = 1_000_000_000
NOW = 1_700_000_000 * S


def test_room_is_what_the_last_second_leaves():
    assert room([], 25.0, NOW) == 25
    assert room([NOW - S, NOW - S + 1, NOW], 25.0, NOW) == 23
    assert room([NOW] * 30, 25.0, NOW) == 0
    assert room([NOW], 1.9, NOW) == 0


def test_a_flood_costs_three_tenths_and_quiet_gives_one_back_a_minute():
    assert slower(25.0) == pytest.approx(17.5)
    assert slower(1.2) == 1.0
    assert quicker(17.5, 25.0, 59 * S) == 17.5
    assert quicker(17.5, 25.0, 125 * S) == 19.5
    assert quicker(17.5, 25.0, 10_000 * S) == 25.0
    assert quicker(25.0, 10.0, -5) == 10.0


def test_three_chats_within_five_seconds_are_about_all():
    floods = Floods()
    assert floods.add("1", NOW, NOW + 100 * S) is None
    assert floods.add("1", NOW + S, NOW + 90 * S) is None
    assert floods.add("2", NOW + S, NOW + 4 * S) is None
    assert floods.add("3", NOW + 2 * S, NOW + 9 * S) == NOW + 4 * S
    assert floods.add("4", NOW + 60 * S, NOW + 99 * S) is None
