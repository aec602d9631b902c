"""What a wish becomes, and what is said of one that alerts would refuse."""

import msgspec
import pytest

from libs.common.bus.codec import encode
from libs.common.conditions.proper import proper
from libs.common.conditions.templates import TEMPLATES
from libs.common.events import AlertRule, Direction, Severity
from services.gateway.alerting.wishes import MOST_BYTES, Wish, known_again, rule_of, subscription_of
from services.gateway.operations.parsing import parse
from services.gateway.problems import FieldError, Problem


def wish(**given):
    return parse(Wish, {"recipient": "1001", **given}, texts=False)


def refusal(**given):
    with pytest.raises(Problem) as caught:
        rule_of("rule_1", wish(**given))
    assert (caught.value.code, caught.value.status) == ("invalid_body", 422)
    return caught.value.errors


def test_a_wish_becomes_the_rule_that_it_says():
    rule = rule_of("rule_1", wish(condition="abs_score >= 0.6", symbols=["BTC-USDT-PERP"], cooldown_s=60))
    assert rule == AlertRule(
        rule_id="rule_1",
        recipient="1001",
        symbols=("BTC-USDT-PERP",),
        condition="abs_score >= 0.6",
        cooldown_s=60,
        directions=(Direction.LONG, Direction.SHORT),
        severity=Severity.WARNING,
    )


def test_every_field_of_a_rule_can_be_wished_but_what_is_ours_to_say():
    assert set(AlertRule.__struct_fields__) - set(Wish.__struct_fields__) == {"rule_id", "template", "deleted"}


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"condition": "abs_scor >= 0.6"}, "condition", "column 1: there is no metric abs_scor (is it abs_score?)"),
        ({"condition": "score > 0.5 AND score < 1"}, "condition", "column 13: a sign is missing before AND"),
        ({"condition": "score > 2M"}, "condition", "column 9: 2M is not a number (write 2000000)"),
        ({"condition": "print_usd > 1"}, "condition", "column 1: print_usd is not known of a signal"),
        ({"kind": "whale"}, "condition", "a rule about whale needs one"),
        ({"for_s": 5}, "until", "a signal is of one moment"),
        (
            {"kind": "whale", "condition": "print_usd > 1", "until": "print_usd <"},
            "until",
            "column 12: something is missing after <",
        ),
        ({"symbols": ["BTC-USDT", "btc-usdt"]}, "symbols[1]", "'btc-usdt' is no canonical symbol"),
    ],
)
def test_what_alerts_would_refuse_is_refused_with_its_place(given, field, words):
    (error,) = refusal(**given)
    assert error.field == field
    assert words in error.message


def test_every_wrong_symbol_is_named():
    assert [error.field for error in refusal(symbols=["x", "BTC-USDT", "*"])] == ["symbols[0]", "symbols[2]"]


@pytest.mark.parametrize(
    "given",
    [
        {"owner": "somebody"},
        {"rule_id": "rule_2"},
        {"deleted": True},
        {"min_score": 1.5},
        {"cooldown_s": -1},
        {"kind": "weather"},
        {"condition": "x" * 513},
        {"symbols": ["BTC-USDT"] * 21},
        {"recipient": ""},
        {"recipient": "10 01"},
        {"venues": ["OKX\n"]},
        {"enabled": "yes"},
    ],
)
def test_what_is_no_wish_is_refused_before_it_is_read_further(given):
    with pytest.raises(Problem) as caught:
        wish(**given)
    assert caught.value.status == 422


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_every_template_makes_a_rule_that_alerts_takes(name):
    rule = subscription_of("rule_1", name, "telegram", "1001", ("BTC-USDT-PERP",), ())
    proper(rule)
    one = TEMPLATES[name]
    assert (rule.template, rule.condition, rule.until, rule.for_s) == (name, one.condition, one.until, one.for_s)
    assert (rule.kind, rule.cooldown_s, rule.severity) == (one.kind.value, one.cooldown_s, one.severity)


def test_a_template_that_does_not_exist_is_named_among_those_that_do():
    with pytest.raises(Problem, match="there are cascade, "):
        subscription_of("rule_1", "nothing", "telegram", "1001", (), ())


def test_a_rule_is_known_again_by_what_is_parked_of_it_unless_it_was_cut():
    rule = rule_of("rule_1", wish(condition='venue == "okx"'))
    parked = encode(rule)[:4096].decode("utf-8", "backslashreplace")
    assert known_again(parked) == rule
    assert known_again(parked[:-1]) is None
    assert known_again("") is None


def test_a_rule_that_would_be_cut_when_it_is_parked_is_refused():
    long = Wish(recipient="1001", venues=tuple(f"{n:064d}" for n in range(80)))
    with pytest.raises(Problem) as caught:
        rule_of("rule_1", long)
    assert caught.value.errors == (FieldError("body", f"a rule has at most {MOST_BYTES} bytes: make two of it"),)


def test_a_wish_names_its_fields_for_documents():
    schema, parts = msgspec.json.schema_components([Wish], ref_template="#/{name}")
    assert schema == ({"$ref": "#/Wish"},)
    assert set(parts["Wish"]["required"]) == {"recipient"}
