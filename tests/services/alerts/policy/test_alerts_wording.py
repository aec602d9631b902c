"""What people read: the words, the digits, and markup that holds whatever the fields say."""

import hashlib
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from libs.common.events import (
    Absence,
    AlertRule,
    Barrier,
    Calibration,
    Contribution,
    Decision,
    Direction,
    Label,
    Origin,
    Plan,
    Signal,
    Target,
    Timeframe,
    Verdict,
)
from services.alerts.policy import numbers
from services.alerts.policy.judged import about
from services.alerts.policy.lifecycle import Life, Step, notice, shown
from services.alerts.policy.markup import Piece, data, units
from services.alerts.policy.wording import (
    alert_id,
    brief,
    compose,
    delayed,
    link_of,
    mark_repeat,
    render,
    valid_until_ns,
)

S = 1_000_000_000
START_NS = 1_767_225_600 * S  # 2026-01-01 00:00:00 UTC


def plan(**changes: Any) -> Plan:
    fields: dict[str, Any] = {
        "entry_low": 61200.0,
        "entry_high": 61234.5,
        "stop": 61000.0,
        "targets": (
            Target(price=61500.0, reward_to_risk=1.2),
            Target(price=61800.25, reward_to_risk=2.345),
            Target(price=62000.0, reward_to_risk=3.0),
        ),
        "expires_ns": START_NS + 1200 * S,
        "invalidation": "a close below 61,050 & <no> reclaim",
        "stop_basis": "structure",
        "atr": 120.0,
        "fee_rate": 0.0005,
        "break_even_hit_rate": 0.4545,
    }
    return Plan(**{**fields, **changes})


def verdict(origin: Origin = Origin.SIMULATED, **changes: Any) -> Verdict:
    fields: dict[str, Any] = {
        "venue": "binance-usdm",
        "symbol": "BTC-USDT-PERP",
        "origin": origin,
        "signal_id": "sig-1",
        "timeframe": Timeframe.M5,
        "as_of_ns": START_NS,
        "known_at_ns": START_NS + 40_000_000,
        "direction": Direction.LONG,
        "label": Label.STRONG_BUY,
        "score": 0.62,
        "confidence": 0.58,
        "price": 61234.5,
        "contributions": (
            Contribution(layer="cvd", score=-0.1, confidence=0.5, weight=0.3, contribution=-0.03),
            Contribution(layer="technicals", score=0.9, confidence=0.7, weight=0.5, contribution=0.45),
            Contribution(layer="order_flow", score=0.2, confidence=0.7, weight=0.1, contribution=0.02),
            Contribution(layer="smc", score=0.8, confidence=0.7, weight=0.1, contribution=0.18),
        ),
        "absent": (Absence(layer="liquidity", cause="no book"),),
        "plan": plan(),
    }
    signal = Signal(**{**fields, **changes})
    return Verdict(
        venue=signal.venue,
        symbol=signal.symbol,
        origin=origin,
        signal=signal,
        decision=Decision.PUBLISH,
        rationale="",
        judge="rules",
        decided_ns=START_NS + 100 * S,
    )


def said(one: Verdict | None = None, **changes: Any) -> Piece:
    fields: dict[str, Any] = {"quality": None, "link": None, "created_ns": START_NS + 103 * S}
    return render(one or verdict(), **{**fields, **changes})


def test_the_message_says_everything_and_nothing_else():
    assert said(quality="B", link="https://csx.example.com/#signal=sig-1").text.splitlines() == [
        "SIMULATED: invented prices",
        "▲ STRONG BUY BTC-USDT-PERP (long)",
        "binance-usdm, 5m bars, at 61234.5; score +0.62, confidence 0.58",
        "Probability: unproven, and none was computed",
        "Entry 61200 to 61234.5, stop 61000 (by structure)",
        "Targets 61500 (1.20 R), 61800.25 (2.35 R), 62000 (3.00 R) after fees",
        "Breaks even at a hit rate of 45.5 %",
        "Evidence: +0.45 technicals, +0.18 smc, -0.03 cvd",
        "Missing: liquidity (no book)",
        "Wrong if: a close below 61,050 & <no> reclaim",
        "Known 2026-01-01 00:00:00 UTC on its market's clock, its verdict 3 s old when told",
        "Data quality B; valid until 00:21:40 UTC",
        "Open the evidence: https://csx.example.com/#signal=sig-1",
        "Signal sig-1",
    ]


def test_a_live_signal_is_as_old_as_its_bar():
    one = verdict(Origin.LIVE, probability=0.61, absent=())
    assert said(one, quality="D: 2 connections are down").text.splitlines() == [
        "▲ STRONG BUY BTC-USDT-PERP (long)",
        "binance-usdm, 5m bars, at 61234.5; score +0.62, confidence 0.58",
        "Probability 61 %, unproven: fixed weights, no outcomes yet",
        "Entry 61200 to 61234.5, stop 61000 (by structure)",
        "Targets 61500 (1.20 R), 61800.25 (2.35 R), 62000 (3.00 R) after fees",
        "Breaks even at a hit rate of 45.5 %",
        "Evidence: +0.45 technicals, +0.18 smc, -0.03 cvd",
        "Wrong if: a close below 61,050 & <no> reclaim",
        "Known 00:00:00 UTC, 103 s old when told",
        "Data quality D: 2 connections are down; valid until 00:20:00 UTC",
        "Signal sig-1",
    ]


@pytest.mark.parametrize(
    ("after_ns", "words"),
    [
        (0, "0 s old"),
        (-S // 2, "0 s old"),  # the venue's clock is a little ahead of ours
        (-2 * S, "of unknown age"),
        (119 * S, "119 s old"),
        (120 * S, "2 min old"),
    ],
)
def test_ages(after_ns, words):
    lines = said(verdict(Origin.LIVE), created_ns=START_NS + after_ns).text
    assert f"UTC, {words} when told" in lines


def test_times_of_another_day_carry_their_date():
    lines = said(verdict(Origin.LIVE), created_ns=START_NS + 86_400 * S).text
    assert "Known 2026-01-01 00:00:00 UTC, 24 h old when told" in lines
    assert "valid until 2026-01-01 00:20:00 UTC" in lines


def test_markup_is_ours_and_data_is_escaped():
    html = said(verdict(symbol="<b>&\"'"), quality="<i>", link="https://h/#signal=a&b").html
    assert "<b>SIMULATED: invented prices</b>" in html
    assert "<b>▲ STRONG BUY &lt;b&gt;&amp;&quot;&#x27; (long)</b>" in html
    assert "Wrong if: a close below 61,050 &amp; &lt;no&gt; reclaim" in html
    assert "Data quality &lt;i&gt;; valid" in html
    assert '<a href="https://h/#signal=a&amp;b">Open the evidence</a>' in html
    assert "Signal <code>sig-1</code>" in html


@pytest.mark.parametrize(
    ("url", "signal_id", "link"),
    [
        ("", "sig_1", None),
        ("https://csx.example.com", "sig_1", "https://csx.example.com/#signal=sig_1"),
        ("http://h:8080/csx/", 'a b&c/"<', "http://h:8080/csx/#signal=a%20b%26c%2F%22%3C"),
        ("https://h", "\ud800", "https://h/#signal=%3F"),
        ("javascript:alert(1)//", "sig_1", None),
        ("https://h", "x" * 500, None),
    ],
)
def test_a_link_leads_to_the_page_s_evidence(url, signal_id, link):
    assert link_of(url, signal_id) == link


@pytest.mark.parametrize(
    ("late_s", "first"), [(0, "a"), (-5, "a"), (30, "a"), (31, "Sent 31 s late"), (7_200, "Sent 2 h late")]
)
def test_a_late_message_says_so(late_s, first):
    words = delayed(Piece("<b>a</b>", "a"), START_NS, START_NS + late_s * S)
    assert words.text.split("\n")[0] == first
    assert words.html.endswith("<b>a</b>")


def test_a_message_without_room_stays_as_it_is():
    whole = Piece("x" * 4090, "x" * 4090)
    assert delayed(whole, START_NS, START_NS + 60 * S) == whole
    assert units(delayed(Piece("x" * 4070, "x" * 4070), START_NS, START_NS + 60 * S).html) == 4085


def test_what_a_digest_and_a_mute_need():
    assert brief(verdict().signal) == "▲ STRONG BUY BTC-USDT-PERP 5m"
    assert brief(verdict(direction=Direction.SHORT, label=Label.SELL).signal, "STOP") == "STOP ▼ SELL BTC-USDT-PERP 5m"
    assert len(brief(verdict(symbol="X" * 500).signal, "INVALIDATED")) <= 100
    assert about("r1", verdict().signal) == ("symbol:BTC-USDT-PERP", "layer:technicals", "rule:r1", "signal:sig-1")
    assert about("r1", verdict(contributions=()).signal) == ("symbol:BTC-USDT-PERP", "rule:r1", "signal:sig-1")


@pytest.mark.parametrize(
    ("origin", "first"),
    [
        (Origin.SIMULATED, "SIMULATED: invented prices"),
        (Origin.RECORDED, "RECORDED: replayed from the past"),
        (Origin.LIVE, "▲ STRONG BUY BTC-USDT-PERP (long)"),
    ],
)
def test_what_is_not_live_says_so_first(origin, first):
    assert said(verdict(origin)).text.splitlines()[0] == first


def test_without_plan_evidence_or_gaps():
    bare = verdict(plan=None, contributions=(), absent=(), probability=0.61, probability_status="proven")
    lines = said(bare).text
    assert "No plan: no levels to trade were found" in lines
    assert "Probability 61 %, proven by the scorecard" in lines
    assert "Evidence" not in lines
    assert "Missing" not in lines
    assert "Data quality unknown; valid until 00:06:40 UTC" in lines  # one bar of five minutes after the decision


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "Probability 58 %, unproven: fixed weights, no outcomes yet"),
        ({"model": "additive-0123"}, "Probability 58 %, unproven by additive-0123: no outcomes have proven it"),
        (
            {"model": "additive-0123", "probability_status": "proven_out_of_sample"},
            "Probability 58 %, proven_out_of_sample by additive-0123; its band is not known here",
        ),
        (
            {
                "model": "additive-0123",
                "probability_status": "proven_out_of_sample",
                "calibration": Calibration(n=1412, observed=0.6, low=0.551, high=0.657),
            },
            "Probability 0.58 [0.55 to 0.66], n=1,412, right in 60 %; proven out of sample by additive-0123",
        ),
        (
            {"calibration": Calibration(n=12, observed=0.6, low=0.5, high=0.7)},
            "Probability 58 %, unproven: fixed weights, no outcomes yet",
        ),
    ],
)
def test_a_probability_says_whose_it_is_and_what_it_is_worth(fields, line):
    assert line in said(verdict(probability=0.5783, **fields)).text.splitlines()


def test_a_plan_without_targets_names_none():
    assert "Targets" not in said(verdict(plan=plan(targets=()))).text


def test_many_absent_layers_are_counted():
    absent = tuple(Absence(layer=f"layer{n}", cause="no data") for n in range(8))
    assert "layer5 (no data) and 2 more" in said(verdict(absent=absent)).text


def test_a_repeat_says_so():
    assert mark_repeat(said()).text.startswith("(possible repeat)\nSIMULATED")
    assert mark_repeat(said()).html.startswith("<b>(possible repeat)</b>\n<b>SIMULATED")


def test_an_alert_is_the_rule_s_and_the_signal_s():
    rule = AlertRule(rule_id="r1", recipient="-100123")
    alert = compose(rule, verdict(), Piece("<b>w</b>", "w"), START_NS + 7)
    assert alert.alert_id == alert_id("r1", "sig-1") == hashlib.sha256(b"2:r1sig-1").hexdigest()[:32]
    assert (alert.recipient, alert.signal_id, alert.created_ns) == ("-100123", "sig-1", START_NS + 7)
    assert alert.valid_until_ns == START_NS + (100 + 1200) * S
    assert (alert.origin, alert.html, alert.text) == (Origin.SIMULATED, "<b>w</b>", "w")


def test_ids_do_not_run_together():
    assert alert_id("a", "bc") != alert_id("ab", "c")


def test_a_plan_that_expired_before_its_bar_has_no_negative_life():
    assert valid_until_ns(verdict(plan=plan(expires_ns=START_NS - 1))) == START_NS + 100 * S


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (61234.56, "61234.56"),
        (104523.7, "104523.7"),
        (0.00001234, "0.00001234"),
        (0.000012345678, "0.00001234568"),
        (0.1 + 0.2, "0.3"),
        (1e9, "1000000000"),
        (5.0, "5"),
        (0.0, "0"),
        (-0.0, "0"),
        (-1.5, "-1.5"),
        (1e-20, "0"),
        (float("inf"), "unknown"),
        (float("nan"), "unknown"),
        (1e300, "unknown"),
    ],
)
def test_prices_keep_seven_digits_and_never_an_exponent(value, shown):
    assert numbers.price(value) == shown


def test_times_out_of_the_calendar_are_unknown():
    assert numbers.utc(10**30) == "unknown"
    assert numbers.utc(0) == "1970-01-01 00:00:00 UTC"


@pytest.mark.parametrize(
    ("value", "limit", "html", "text"),
    [
        ("plain", 5, "plain", "plain"),
        ("too long", 4, "too…", "too…"),
        ("a&b", 7, "a&amp;b", "a&b"),
        ("a&b", 6, "a…", "a…"),  # the entity would not fit beside the ellipsis
        ("😀😀", 4, "😀😀", "😀😀"),
        ("😀😀x", 4, "😀…", "😀…"),  # an emoji is two units and is never halved
        ("a\n\tb\x00c", 20, "a b c", "a b c"),
        ("\ud800x", 20, "\ufffdx", "\ufffdx"),
        ("abc\u202edef", 20, "abcdef", "abcdef"),
    ],
)
def test_foreign_text_is_bounded_after_escaping(value, limit, html, text):
    piece = data(value, limit)
    assert (piece.html, piece.text) == (html, text)


class Strict(HTMLParser):
    """An independent reader: collects text, fails on any tag that is unknown, unclosed or crossed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        assert tag in {"b", "code", "a"}
        assert [name for name, _ in attrs] == (["href"] if tag == "a" else [])
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


anything = st.text(max_size=120) | st.text(
    alphabet="<>&\"'/ab;#x\U0001f600\ud800\x00\u202e", min_size=200, max_size=5000
)
number = st.floats()


@settings(max_examples=150, deadline=None)
@given(
    words=st.lists(anything, min_size=12, max_size=12),
    floats=st.lists(number, min_size=8, max_size=8),
    times=st.lists(st.integers(-(2**63), 2**63 - 1), min_size=3, max_size=3),
    count=st.integers(0, 12),
    direction=st.sampled_from(Direction),
    with_plan=st.booleans(),
)
def test_any_text_in_any_field_gives_valid_markup_within_the_limit(words, floats, times, count, direction, with_plan):
    judged = verdict(
        venue=words[0],
        symbol=words[1],
        signal_id=words[2],
        direction=direction,
        score=floats[0],
        confidence=floats[1],
        price=floats[2],
        as_of_ns=times[0],
        probability=floats[3] if count % 2 else None,
        probability_status=words[3],
        contributions=tuple(
            Contribution(layer=words[4], score=floats[4], confidence=0.0, weight=floats[5], contribution=floats[6])
            for _ in range(count)
        ),
        absent=tuple(Absence(layer=words[5], cause=words[6]) for _ in range(count)),
        plan=plan(
            entry_low=floats[0],
            stop=floats[7],
            invalidation=words[7],
            stop_basis=words[8],
            expires_ns=times[1],
            targets=tuple(Target(price=floats[1], reward_to_risk=floats[2]) for _ in range(count)),
        )
        if with_plan
        else None,
    )
    life = Life(
        step=list(Step)[count % len(Step)],
        version=count,
        step_ns=times[2],
        by_signal=words[10] or None,
        barrier=[None, *Barrier][count % 5],
        r_multiple=floats[2] if with_plan else None,
        resolved_ns=times[0],
    )
    link = link_of("https://csx.example.com", words[2])
    whole = render(judged, quality=words[11], link=link, created_ns=times[1])
    late = delayed(whole, times[1], times[2])
    assert units(whole.html) <= 3600
    for message in (mark_repeat(late), mark_repeat(shown(late, life)), notice(judged, life)):
        assert 0 < units(message.html) <= 4096
        assert units(message.text) <= 4096
        message.html.encode()
        parser = Strict()
        parser.feed(message.html)
        parser.close()
        assert parser.open == []
        plain = message.text if link is None else message.text.replace(f"evidence: {link}", "evidence")
        assert "".join(parser.words) == plain
    assert len(brief(judged.signal, life.step)) <= 100
    alert_id(words[9], words[2])


@pytest.mark.parametrize(
    ("origin", "late_s", "left_s"),
    [(Origin.LIVE, 0, 3600), (Origin.LIVE, 600, 3000), (Origin.LIVE, 7200, -3600), (Origin.LIVE, -5, 3600)]
    + [(origin, 7200, 3600) for origin in (Origin.SIMULATED, Origin.RECORDED)],
)
def test_a_live_signal_that_was_judged_late_is_worth_no_more_for_it(origin, late_s, left_s):
    as_of_ns = 1_763_715_600 * 10**9
    one = verdict(origin, as_of_ns=as_of_ns, timeframe=Timeframe.H1, plan=None)
    one = replace(one, decided_ns=as_of_ns + late_s * 10**9)
    assert valid_until_ns(one) - one.decided_ns == left_s * 10**9
