"""The recorded BTC sessions, poisoned at a few moments; `make causality` does it at hundreds."""

import pytest

from deploy.proving.causality import SESSIONS, differing, ends, poison, recorded, warm
from libs.common.bus.codec import encode


@pytest.mark.parametrize("venue", SESSIONS)
def test_what_is_said_of_the_past_does_not_change_with_the_future(recordings, venue):
    found = poison(recorded(venue, recordings), points=12, seed=3)
    assert found.points > 12
    assert found.compared > 5
    assert found.changed == 0
    assert found.bitten > 100


def test_a_prefix_says_what_the_whole_says_up_to_there(recordings):
    session = recorded("binance-usdm", recordings)
    said, after = ends(session)
    engine, length = warm(session), 9_000
    found = [encode(output) for event in session.events[:length] for output in engine.apply(event)]
    assert len(found) > 100
    assert found == said[: after[length - 1]]


def test_differences_are_counted_in_place_and_in_length():
    assert differing([b"a", b"b"], [b"a", b"b"]) == 0
    assert differing([b"a", b"b"], [b"a", b"c", b"d"]) == 2
