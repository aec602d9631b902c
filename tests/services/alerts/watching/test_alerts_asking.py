"""Rules of every kind asked about subjects: what fires, what is kept, and what each word costs."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from prometheus_client import REGISTRY

from libs.common.conditions.subjects import Fact, Kind, Subject
from libs.common.events import SECOND_NS, AlertRule, Origin, Severity
from services.alerts.policy.triggers import Phase, State
from services.alerts.watching.asking import Found, Place, Rulebook

AT_NS = 1_700_000_000 * SECOND_NS


def rule(rule_id: str = "r", **changes: Any) -> AlertRule:
    fields = {"kind": "liquidation", "condition": "storm", "recipient": "1", "cooldown_s": 60, **changes}
    return AlertRule(rule_id=rule_id, **fields)


def burst(at_s: float = 0.0, kind: Kind = Kind.LIQUIDATION, key: str = "k", **facts: Fact) -> Subject:
    at_ns = AT_NS + round(at_s * SECOND_NS)
    told: dict[str, Fact] = {"storm": True, **facts}
    return Subject(kind=kind, venue="okx", symbol="BTC-USDT", at_ns=at_ns, facts=told, key=key, valid_s=300)


def asked(book: Rulebook, *subjects: Subject, states: dict[Place, State] | None = None, late_s: float = 0.0) -> Found:
    found, known = Found(), {} if states is None else states
    for one in subjects:
        book.ask(one, known, found, one.at_ns + round(late_s * SECOND_NS))
    return found


def evaluated(result: str) -> float:
    return REGISTRY.get_sample_value("csx_alerts_conditions_total", {"result": result}) or 0.0


def test_an_episode_is_one_entry_with_all_that_the_outbox_needs():
    found = asked(Rulebook([rule(severity=Severity.CRITICAL)]), burst(0), burst(1), burst(2))
    (entry,) = found.entries
    assert (entry.kind, entry.venue, entry.symbol, entry.timeframe, entry.cooldown_s) == (
        "liquidation",
        "okx",
        "BTC-USDT",
        "",
        60,
    )
    assert (entry.alert.severity, entry.alert.recipient) == (Severity.CRITICAL, "1")
    assert entry.about == ("symbol:BTC-USDT", "venue:okx", "rule:r")
    assert entry.headline.startswith("LIQUIDATION STORM BTC-USDT, okx")
    assert found.states == {("r", "k"): State(Phase.FIRING, AT_NS, AT_NS)}


def test_a_stored_state_goes_on_where_it_was():
    states = {("r", "k"): State(Phase.FIRING, AT_NS, AT_NS)}
    assert asked(Rulebook([rule()]), burst(5), states=states) == Found()
    found = asked(Rulebook([rule()]), burst(6, storm=False), burst(7), states=states)
    assert len(found.entries) == 1
    assert states == found.states == {("r", "k"): State(Phase.FIRING, AT_NS + 7 * SECOND_NS, AT_NS + 7 * SECOND_NS)}


def test_the_same_words_of_many_people_are_asked_once():
    before = evaluated("true")
    book = Rulebook([rule(f"r{number}", recipient=str(number)) for number in range(200)])
    assert len(asked(book, burst()).entries) == 200
    assert evaluated("true") == before + 1


def test_what_is_unknown_fires_nothing_and_counts_as_such():
    before = evaluated("unknown")
    assert asked(Rulebook([rule(condition="liq_usd_10m > 1")]), burst()) == Found()
    assert evaluated("unknown") == before + 1


def test_signals_and_what_is_off_are_not_asked():
    book = Rulebook([rule("s", kind="signal", condition=""), rule("o", enabled=False), rule("d", deleted=True)])
    assert asked(book, burst(), burst(kind=Kind.SYSTEM)) == Found()


def test_of_a_moment_nothing_is_kept():
    book = Rulebook([rule(kind="whale", condition="print_usd > 1")])
    found = asked(
        book, burst(kind=Kind.WHALE, key="w1", print_usd=5.0), burst(kind=Kind.WHALE, key="w2", print_usd=5.0)
    )
    assert len({entry.alert.alert_id for entry in found.entries}) == 2
    assert found.states == {}


def test_what_is_over_is_not_told_but_its_episode_began():
    before = REGISTRY.get_sample_value("csx_alerts_fired_total", {"kind": "liquidation", "result": "stale"}) or 0.0
    found = asked(Rulebook([rule()]), burst(), late_s=300)
    assert (found.entries, len(found.states)) == ([], 1)
    assert REGISTRY.get_sample_value("csx_alerts_fired_total", {"kind": "liquidation", "result": "stale"}) == before + 1
    past = Subject(
        kind=Kind.LIQUIDATION,
        venue="okx",
        symbol="BTC-USDT",
        at_ns=AT_NS,
        facts={"storm": True},
        key="k",
        origin=Origin.RECORDED,
    )
    assert len(asked(Rulebook([rule()]), past, late_s=10**8).entries) == 1  # a recording's clock is not ours


_STEPS = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([True, False, None]), st.sampled_from([0.5e6, 2e6, None])),
    max_size=40,
)


@given(
    _STEPS,
    st.lists(st.integers(0, 60), max_size=6),
    st.integers(1, 7),
    st.sampled_from([0, 30]),
    st.sampled_from(["", "liq_usd_30s < 1000000"]),
)
def test_whoever_dies_and_reads_again_tells_the_same(steps, deaths, every, for_s, ends):
    """Offsets are stored with each change of a state, and now and then besides; what follows them is read again."""
    book, at_s, subjects = Rulebook([rule(until=ends, for_s=for_s)]), 0, []
    for wait_s, storm, usd in steps:
        at_s += wait_s
        known = {"storm": storm, "liq_usd_30s": usd}
        facts = {name: value for name, value in known.items() if value is not None}
        one = burst(at_s)
        subjects.append(replace(one, facts=facts))
    alone = [entry.alert.alert_id for entry in asked(book, *subjects).entries]

    told: list[str] = []
    stored: tuple[int, dict[Place, State]] = (0, {})
    place, states, left = 0, dict[Place, State](), list(deaths)
    while place < len(subjects):
        if left and left[0] <= place:
            left.pop(0)
            place, states = stored[0], dict(stored[1])  # all that was in memory is gone
            continue
        found = asked(book, subjects[place], states=states)
        place += 1
        if found.entries or found.states or place % every == 0:
            told += [entry.alert.alert_id for entry in found.entries]
            stored = (place, dict(states))
    assert told == alone
