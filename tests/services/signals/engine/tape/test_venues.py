from libs.common.events import MINUTE_NS
from services.signals.engine.tape.venues import Together, Venues


def filled(*rows, keep=10):
    venues = Venues(keep)
    for venue, minute, delta, volume in rows:
        venues.add(venue, "S-USDT", minute * MINUTE_NS, delta, volume)
    return venues


def test_only_whole_spans_of_the_same_symbol_are_added():
    venues = filled(("a", 1, 1.0, 2.0), ("a", 2, 2.0, 3.0), ("b", 1, -5.0, 5.0), ("b", 2, 1.0, 1.0))
    venues.add("c", "OTHER-USDT", 2 * MINUTE_NS, 100.0, 100.0)
    assert venues.over("S-USDT", 2 * MINUTE_NS, 2 * MINUTE_NS) == Together(-1.0, 11.0, ("a", "b"), ())


def test_a_venue_that_is_late_or_has_a_hole_is_missing_and_named():
    venues = filled(
        ("a", 1, 1.0, 2.0), ("a", 2, 2.0, 3.0), ("late", 1, 1.0, 1.0), ("hole", 0, 1.0, 1.0), ("hole", 2, 1.0, 1.0)
    )
    assert venues.over("S-USDT", 2 * MINUTE_NS, 2 * MINUTE_NS) == Together(3.0, 5.0, ("a",), ("hole", "late"))


def test_what_closed_later_is_not_in_it():
    venues = filled(("a", 1, 1.0, 2.0), ("b", 1, 1.0, 1.0), ("b", 2, 9.0, 9.0))
    assert venues.over("S-USDT", MINUTE_NS, MINUTE_NS) == Together(2.0, 3.0, ("a", "b"), ())


def test_it_is_bounded_and_says_nothing_of_longer_spans():
    venues = filled(*(("a", n, 1.0, 1.0) for n in range(50)))
    assert len(venues.minutes["S-USDT"]["a"]) == 10
    assert venues.over("S-USDT", 49 * MINUTE_NS, 11 * MINUTE_NS) is None
    together = venues.over("S-USDT", 49 * MINUTE_NS, 10 * MINUTE_NS)
    assert together is not None
    assert together.delta == 10.0


def test_forgotten_is_forgotten():
    venues = filled(("a", 1, 1.0, 2.0))
    venues.forget("b", "S-USDT")
    venues.forget("a", "S-USDT")
    assert venues.minutes == {}
