"""Cards of every kind: their words, whatever text they carry, and their length."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.local.sandbox.telegram_entities import parse_html
from libs.common.conditions.catalogue import METRICS
from libs.common.conditions.subjects import Kind, Subject
from libs.common.conditions.templates import TEMPLATES
from libs.common.events import AlertRule, Origin, Severity
from services.alerts.policy.cards import HEADLINE_UNITS, about, alert_id, card, compose, headline, valid_until_ns
from services.alerts.policy.markup import MESSAGE_UNITS, units

AT_NS = 1_700_000_045 * 10**9  # 2023-11-14 22:14:05 UTC
STORM = {
    "venue": "okx",
    "symbol": "BTC-USDT-PERP",
    "cap_group": "majors",
    "storm": True,
    "liq_usd_30s": 3_600_000.0,
    "liq_long_usd_30s": 3_600_000.0,
    "liq_short_usd_30s": 0.0,
    "liq_count_30s": 6.0,
    "liq_dominance_30s": 1.0,
}


def subject(kind: Kind = Kind.LIQUIDATION, facts=STORM, **changes) -> Subject:
    fields = {"venue": "okx", "symbol": "BTC-USDT-PERP", "at_ns": AT_NS, "key": "liquidation|okx|BTC", "valid_s": 300}
    return Subject(kind=kind, facts=dict(facts), **{**fields, **changes})


def rule(template: str, /, **changes) -> AlertRule:
    one = TEMPLATES[template]
    fields = {
        "kind": one.kind,
        "condition": one.condition,
        "until": one.until,
        "for_s": one.for_s,
        "template": one.name,
    }
    return AlertRule(**{"rule_id": "r1", "recipient": "1", "severity": Severity.WARNING, **fields, **changes})


def test_a_storm_says_what_where_how_much_why_and_when():
    text = card(rule("storm_majors"), subject(origin=Origin.SIMULATED), AT_NS + 5 * 10**9).text
    assert text == (
        "SIMULATED: invented prices\n"
        "LIQUIDATION STORM: BTC-USDT-PERP, okx\n"
        "Liquidated in 30 s: 3.6 million USD\n"
        "Of longs, in 30 s: 3.6 million USD\n"
        "Of shorts, in 30 s: 0 USD\n"
        "Liquidations in 30 s: 6\n"
        "Stronger side's share: 100.0 %\n"
        'Because: cap_group == "majors" and storm\n'
        "At 2023-11-14 22:14:05 UTC, 5 s ago\n"
        "Rule storm_majors"
    )


def test_the_facts_that_the_condition_names_come_first():
    facts = STORM | {"liq_usd_10m": 5e7}
    rows = card(rule("cascade"), subject(facts=facts), AT_NS).text.split("\n")
    assert rows[:3] == ["LIQUIDATIONS: BTC-USDT-PERP, okx", "Liquidated in 10 min: 50 million USD", rows[2]]


@pytest.mark.parametrize(
    ("kind", "template", "facts", "words"),
    [
        (Kind.WHALE, "whale_mid", {"print_usd": 950_000.0, "print_side": "buy"}, ["One trade: 950 thousand USD"]),
        (
            Kind.FUNDING,
            "funding_extreme",
            {"funding_rate": -0.0012, "funding_bps_8h": -12.0},
            ["8 h: -12 bp", "-0.12 %"],
        ),
        (Kind.OPEN_INTEREST, "oi_surge", {"oi_change_1h": 0.0612}, ["within an hour: +6.12 %"]),
        (Kind.SPIKE, "volume_spike", {"volume_ratio_5m": 3.4}, ["to its usual: 3.40 x"]),
        (Kind.GAP, "data_gap", {"gap_s": 95.0, "gap_open": True}, ["so far: 1 min 35 s", "goes on: yes"]),
        (Kind.FEED, "feed_down", {"grade": "f", "feed_stopped": False}, ["Grade: f", ", for 30 s"]),
        (Kind.METRIC, "extreme_mood", {"fear_greed": 12.0}, ["MARKET NUMBER", "Fear greed: 12"]),
        (Kind.SYSTEM, "process_down", {"process": "signals", "up": False}, ["SYSTEM: BTC", "It answers: no"]),
        (Kind.OUTCOME, "stopped_out", {"barrier": "stop", "r_multiple": -1.05}, ["STOPPED OUT: BTC", "fees: -1.05 R"]),
    ],
)
def test_every_kind_has_its_card(kind, template, facts, words):
    text = card(rule(template), subject(kind, facts), AT_NS).text
    for one in words:
        assert one in text


def test_a_recording_has_no_age_and_its_life_counts_from_now():
    past, now_ns = subject(origin=Origin.RECORDED), AT_NS + 10**18
    assert "At 2023-11-14 22:14:05 UTC\n" in card(rule("storm_majors"), past, now_ns).text
    assert valid_until_ns(past, now_ns) == now_ns + 300 * 10**9
    assert valid_until_ns(subject(), now_ns) == AT_NS + 300 * 10**9
    assert valid_until_ns(subject(), AT_NS - 10**9) == AT_NS + 299 * 10**9  # a clock ahead of ours gains nothing


def test_an_alert_is_of_its_rule_its_key_and_its_episode():
    ids = [
        alert_id(rule("cascade", rule_id=rule_id), subject(key=key), episode)
        for rule_id, key, episode in [("r", "k", 1), ("r", "k", 2), ("r", "l", 1), ("rk", "", 1), ("s", "k", 1)]
    ]
    assert len({*ids}) == 5
    assert alert_id(rule("cascade", rule_id="r", recipient="2"), subject(key="k"), 1) == ids[0]
    alert = compose(rule("cascade"), subject(), AT_NS, AT_NS)
    assert (alert.signal_id, alert.rule_id, alert.created_ns) == ("liquidation|okx|BTC", "r1", AT_NS)


def test_what_may_be_muted():
    assert about(rule("cascade"), subject()) == ("symbol:BTC-USDT-PERP", "venue:okx", "rule:r1")
    assert about(rule("stopped_out"), subject(Kind.OUTCOME, {}, key="outcome|sig_1"))[-1] == "signal:sig_1"


_TEXT = st.text(max_size=300) | st.text(st.sampled_from("<>&\"'`*_[]()😀é\u202e\x00\ud800"), max_size=5000)
_NUMBERS = st.floats() | st.integers(-(10**30), 10**30)


@given(st.data())
def test_any_facts_and_texts_make_a_message_that_telegram_takes(data):
    kind = data.draw(st.sampled_from([kind for kind in Kind if kind is not Kind.SIGNAL]))
    names = [name for name, metric in METRICS.items() if kind in metric.kinds]
    kinds = {float: _NUMBERS, str: _TEXT, bool: st.booleans()}
    chosen = data.draw(st.lists(st.sampled_from(names), unique=True))
    facts = {name: data.draw(kinds[METRICS[name].type]) for name in chosen}
    one = subject(
        kind,
        facts,
        venue=data.draw(_TEXT),
        symbol=data.draw(_TEXT),
        key=data.draw(_TEXT),
        at_ns=data.draw(st.integers(-(2**70), 2**70)),
        origin=data.draw(st.sampled_from(Origin)),
    )
    wish = rule(
        "cascade",
        rule_id=data.draw(_TEXT),
        condition=data.draw(_TEXT),
        template=data.draw(_TEXT),
        for_s=data.draw(st.integers(0, 10**9)),
    )
    piece = card(wish, one, AT_NS)
    assert units(piece.html) <= MESSAGE_UNITS
    assert parse_html(piece.html)[0] == piece.text
    line = headline(wish, one)
    assert 0 < units(line) <= HEADLINE_UNITS
    assert "\n" not in line
    assert len(alert_id(wish, one, 0)) == 32
