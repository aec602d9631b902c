"""When a rule fires: by hand, and what must hold for any order of answers."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from services.alerts.policy.triggers import Phase, State, ending, step

ANSWERS = st.sampled_from([True, False, None])
EVENTS = st.lists(st.tuples(st.integers(0, 60), ANSWERS, ANSWERS), max_size=40)


def run(events, for_ns):
    state, fired = State(), []
    for at_ns, holds, ends in events:
        state, fires = step(state, holds=holds, ends=ends, at_ns=at_ns, for_ns=for_ns)
        if fires:
            fired.append((at_ns, state.episode))
    return state, fired


def test_without_a_wait_it_fires_once_an_episode():
    events = [(at, holds, ending(holds=holds)) for at, holds in [(1, True), (2, True), (3, False), (4, True)]]
    assert run(events, 0) == (State(Phase.FIRING, 4, 4), [(1, 1), (4, 4)])


def test_it_must_hold_for_the_whole_wait():
    events = [(0, True), (4, True), (5, False), (6, True), (10, True), (11, True)]
    assert run([(at, holds, ending(holds=holds)) for at, holds in events], 5) == (State(Phase.FIRING, 11, 6), [(11, 6)])


def test_only_until_ends_it_and_unknown_does_not():
    events = [
        (1, True, False),
        (2, False, False),
        (3, None, None),
        (4, True, False),
        (5, False, True),
        (6, True, False),
    ]
    assert run(events, 0)[1] == [(1, 1), (6, 6)]


def test_conditions_that_overlap_do_not_flutter():
    assert run([(at, True, True) for at in range(9)], 0)[1] == [(0, 0)]


def test_a_wait_that_stays_unknown_begins_anew():
    assert run([(0, True, None), (10, None, None), (11, True, None)], 5)[1] == [(11, 0)]
    assert run([(0, True, None), (11, None, None), (12, True, None), (17, True, None)], 5)[1] == [(17, 12)]


@given(EVENTS, st.integers(0, 20))
def test_a_fire_is_preceded_by_its_episode_and_episodes_do_not_overlap(events, for_ns):
    _, fired = run(events, for_ns)
    assert all(at - episode >= for_ns for at, episode in fired)
    assert all((episode, True) in {(at, holds) for at, holds, _ in events} for _, episode in fired)
    assert all(first[0] <= second[1] for first, second in itertools.pairwise(fired))


@given(EVENTS, st.integers(0, 20), st.tuples(ANSWERS, ANSWERS))
def test_what_is_older_than_the_phase_changes_nothing(events, for_ns, late):
    state, _ = run(events, for_ns)
    if state.since_ns:
        assert step(state, holds=late[0], ends=late[1], at_ns=state.since_ns - 1, for_ns=for_ns) == (state, False)


@given(EVENTS, st.integers(0, 20))
def test_unknown_never_fires_and_never_ends(events, for_ns):
    state, _ = run(events, for_ns)
    after, fires = step(state, holds=None, ends=None, at_ns=100, for_ns=for_ns)
    assert not fires
    assert after == state or state.phase is Phase.PENDING
