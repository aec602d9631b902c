"""What an owner is told of silence: once, now and then, and once of its end."""

from hypothesis import given
from hypothesis import strategies as st

from services.alerts.policy.deadman import Life, Limits, Notice, Told, after, beat, due, look

LIMITS = Limits(silence_s=45.0, repeat_s=3600.0)
START = Life(heard_s=0.0, since_s=0.0, looked_s=0.0)


def _play(beats: set[int], until: int, *, stopped: range = range(0)) -> list[tuple[int, Notice]]:
    """Look each second, deliver what is due at once; `stopped` are seconds in which the watch itself stands still."""
    life, told, notices = START, Told(), []
    for second in range(1, until + 1):
        if second in stopped:
            continue
        if second in beats:
            life = beat(life, float(second))
        life = look(life, float(second), LIMITS)
        if notice := due(life, told, float(second), LIMITS):
            notices.append((second, notice))
            told = after(notice, float(second))
    return notices


def test_beats_every_ten_seconds_say_nothing():
    assert _play(set(range(10, 10_000, 10)), 10_000) == []


def test_one_that_never_beats_is_told_as_well():
    assert _play(set(), 100) == [(45, Notice.SILENT)]


def test_silence_return_and_silence_again():
    beats = {*range(10, 101, 10), *range(500, 601, 10)}
    assert _play(beats, 1000) == [(145, Notice.SILENT), (500, Notice.BACK), (645, Notice.SILENT)]


def test_a_long_silence_is_repeated_each_hour():
    assert _play({10}, 2 * 3600 + 100) == [
        (55, Notice.SILENT),
        (55 + 3600, Notice.STILL_SILENT),
        (55 + 7200, Notice.STILL_SILENT),
    ]


def test_the_watch_does_not_blame_others_for_its_own_stop():
    assert _play({*range(10, 101, 10), *range(400, 801, 10)}, 800, stopped=range(101, 390)) == []


def test_after_its_own_stop_it_still_notices_real_silence():
    assert _play(set(range(10, 101, 10)), 800, stopped=range(101, 400)) == [(445, Notice.SILENT)]


def test_its_own_stop_is_no_return_of_the_other():
    assert _play({10}, 800, stopped=range(101, 400)) == [(55, Notice.SILENT)]


def test_a_notice_that_did_not_arrive_stays_due():
    life = Life(heard_s=0.0, since_s=0.0, looked_s=45.0)
    assert due(life, Told(), 45.0, LIMITS) is Notice.SILENT
    assert due(life, Told(), 500.0, LIMITS) is Notice.SILENT


@given(st.sets(st.integers(1, 3000)))
def test_the_story_alternates_and_is_in_time(beats):
    notices = _play(beats, 3000)
    words = [notice for _, notice in notices]
    assert words == [Notice.SILENT if number % 2 == 0 else Notice.BACK for number in range(len(words))]
    for second, notice in notices:
        heard = max([0, *(at for at in beats if at <= second)])
        assert second - heard == (45 if notice is Notice.SILENT else 0)
    expected = sum(
        later - earlier > 45 for earlier, later in zip([0, *sorted(beats)], [*sorted(beats), 3001], strict=True)
    )
    silences = sum(notice is Notice.SILENT for notice in words)
    assert abs(silences - expected) <= 1  # a gap of exactly 45 s ends in the second in which it is noticed
