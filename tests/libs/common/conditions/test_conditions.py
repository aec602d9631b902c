"""The language of conditions: what it refuses and where, what it means, how long it takes.

The places are marked by hand in the tables; the meaning is held against Python's own, with a third value for unknown.
"""

import math
import time
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.conditions.language import Condition, Fault, compile_condition
from libs.common.conditions.subjects import Fact, Kind
from tests.libs.common.conditions.hostile_conditions import hostile

ROWS = hostile()
FACTS: dict[str, Fact] = {
    "score": 0.7,
    "abs_score": 0.7,
    "conflict": 0.2,
    "label": "strong_buy",
    "direction": "long",
    "model": "scorecard",
    "symbol": "BTC-USDT-PERP",
}
CHAIN = " and ".join(['label in ["buy", "strong_buy"]'] * 12)
LARGEST = (
    CHAIN,
    " or ".join(["score > 1"] * 32),
    " or ".join(["abs(abs(score)) > 9"] * 12),
    "min(" * 8 + "score" + ", 1)" * 8 + " > 2",
    "(" * 8 + "score" + ")" * 8 + " + 1" * 16 + " > 99",
    "score in [" + ", ".join(f"{value}.5" for value in range(32)) + "]",
    " and ".join(['model != "' + "x" * 64 + '"'] * 6),
    "not (" * 8 + "score > 1" + ")" * 8 + " or " + " or ".join(["-score > 1"] * 19),
)


def test_over_a_thousand_hostile_conditions_are_refused_at_their_place():
    assert len({text for text, _ in ROWS}) == len(ROWS) >= 1_000
    wrong = []
    for text, column in ROWS:
        try:
            compile_condition(text, Kind.SIGNAL)
        except Fault as fault:
            message, line, marks = fault.shown(text).split("\n")
            at = marks.index("^")
            pointed = text[column - 1 : column]
            if fault.column != column or not message.startswith(f"column {column}: ") or len(line) > 60:
                wrong.append((text, column, str(fault)))
            elif pointed.isascii() and pointed.isprintable() and line[at : at + 1] != pointed:
                wrong.append((text, column, line))
        else:
            wrong.append((text, column, "accepted"))
    assert wrong == []


def test_a_fault_shows_the_line_and_the_place():
    with pytest.raises(Fault) as caught:
        compile_condition('score > 0.5 and label == "strong buy"', Kind.SIGNAL)
    assert caught.value.shown('score > 0.5 and label == "strong buy"') == (
        'column 26: label is never "strong buy" (is it "strong_buy"?)\n'
        'score > 0.5 and label == "strong buy"\n'
        "                         ^^^^^^^^^^^^"
    )
    long = "score > 1 or " * 20 + "scroe > 1"
    with pytest.raises(Fault) as caught:
        compile_condition(long, Kind.SIGNAL)
    message, line, marks = caught.value.shown(long).split("\n")
    assert message == "column 261: there is no metric scroe (is it score?)"
    assert (len(line), line[marks.index("^") :]) == (60, "scroe > 1")
    assert marks.strip() == "^^^^^"


def test_a_picture_of_what_cannot_be_seen_keeps_its_columns():
    text = 'model == "\u4e00\U0001f600e\u0301\u202e"'
    with pytest.raises(Fault) as caught:
        compile_condition(text, Kind.SIGNAL)
    assert caught.value.shown(text) == (
        'column 15: U+202E RIGHT-TO-LEFT OVERRIDE has no place in a condition\nmodel == "??e??"\n              ^'
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("print_usd > 1", "column 1: print_usd is not known of a signal (it is of: whale)"),
        ("score > 2M", "column 9: 2M is not a number (write 2000000)"),
        ("score > 5 %", "column 11: % has no place in a condition (5 % is 0.05)"),
        ("not score > 1", "column 1: not turns true and false round, not a number (not (score > 1), say)"),
        ("0 < score < 1", "column 11: comparisons do not chain (0 < score and score < 1, say)"),
        ("score / conflict > 2", "column 9: a divisor is a number that is not 0 (for a / b > 2 write a > 2 * b)"),
        ('label < "buy"', "column 7: < does not go with text and text (text is compared by ==, != and in)"),
        ("score > 0.5 AND score < 1", "column 13: a sign is missing before AND (and, or, ==, >, +, say)"),
    ],
)
def test_messages_are_for_people(text, says):
    with pytest.raises(Fault) as caught:
        compile_condition(text, Kind.SIGNAL)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("score > 0.5", True),
        ("score > 1", False),
        ("score >= 0.7 and score <= .7", True),
        ("score == 7e-1", True),
        ("-score < 0", True),
        ("abs(-score) > 0.6", True),
        ("min(score, 0.5) == 0.5", True),
        ("max(score, conflict) == score", True),
        ("score / 2 > 0.34", True),
        ("score / -2 < 0", True),
        ("score + conflict * 2 > 1", True),
        ("(score + conflict) * 2 > 1.7", True),
        ('label in ["buy", "strong_buy"]', True),
        ("score in [1, -1]", False),
        ("label != 'sell' && !(score > 1)", True),
        ("not (score > 1) or score > 2", True),
        ("direction == direction", True),
        ('symbol == "BTC-USDT-PERP"', True),
        ('"\u00e9\U0001f600" == model', False),
        ("probability > 0.5", None),
        ("probability > 0.5 or score > 0.5", True),
        ("score > 0.5 or probability > 0.5", True),
        ("score > 1 or probability > 0.5", None),
        ("score > 1 and probability > 0.5", False),
        ("probability > 0.5 and score > 1", False),
        ("not (probability > 0.5)", None),
        ("abs(probability) > 0.5", None),
        ("min(probability, score) > 0.5", None),
        ('regime in ["trend"]', None),
        ('regime == "trend" or not (regime == "trend")', None),
    ],
)
def test_what_a_condition_means(text, answer):
    assert compile_condition(text, Kind.SIGNAL).holds(FACTS) is answer


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e16, 10**400, "0.7", True, None, b"1", [0.7]])
def test_a_fact_that_is_no_proper_number_is_unknown(value):
    assert compile_condition("score > 0 or score <= 0", Kind.SIGNAL).holds({"score": value}) is None


@pytest.mark.parametrize("value", [0.7, True, "x" * 257, "a\ud800", "a\x00b", None])
def test_a_fact_that_is_no_proper_text_is_unknown(value):
    assert compile_condition('model == "a" or model != "a"', Kind.SIGNAL).holds({"model": value}) is None


def test_no_calculation_within_the_limits_leaves_the_numbers():
    facts = {"score": 1e15, "conflict": -1e15}
    assert compile_condition("score * score" + " * score" * 15 + " > 1", Kind.SIGNAL).holds(facts) is True
    assert compile_condition("conflict * score" + " * score" * 15 + " < 1", Kind.SIGNAL).holds(facts) is True
    assert compile_condition("score" + " / 1e-15" * 16 + " > 1", Kind.SIGNAL).holds(facts) is True


def test_names_and_text_are_kept():
    condition = compile_condition("score > 0.5 and  abs(conflict) < 1", Kind.SIGNAL)
    assert condition.text == "score > 0.5 and  abs(conflict) < 1"
    assert condition.names == {"score", "conflict"}
    assert condition.kind is Kind.SIGNAL


@pytest.mark.parametrize("text", LARGEST)
def test_no_evaluation_takes_a_millisecond(text):
    condition = compile_condition(text, Kind.SIGNAL)
    unknown = {"label": "buy"}
    for facts in (FACTS, FACTS | {"model": "x" * 256}, unknown, {}):
        assert _least_s(partial(condition.holds, facts)) < 0.001


def test_no_refusal_takes_long():
    """The largest texts, and all hostile ones together: the bound of the size comes first."""
    for text in ("(" * 1_000_000, "score > 1 and " * 100_000, '"' * 1_000_000, *LARGEST):
        assert _least_s(partial(_compiled, text)) < 0.02


def _compiled(text: str, kind: Kind = Kind.SIGNAL) -> Condition | Fault:
    try:
        return compile_condition(text, kind)
    except Fault as fault:
        return fault


def _least_s(call: Callable[[], object]) -> float:
    """Return the least CPU seconds of a few calls: a pause of the machine is not the call's."""
    took = []
    for _ in range(5):
        began = time.process_time()
        call()
        took.append(time.process_time() - began)
    return min(took)


@given(st.text(max_size=40) | st.text(alphabet="score()[]<>=!&|+-*/,.'\" 019ein\\", max_size=60), st.sampled_from(Kind))
def test_any_text_is_a_condition_or_a_fault_with_a_place(text, kind):
    found = _compiled(text, kind)
    if isinstance(found, Fault):
        assert 1 <= found.column <= len(text) + 1
        assert found.length >= 1
        assert found.reason
        assert found.shown(text).count("\n") == 2
    else:
        assert found.holds({}) in {True, False, None}
        assert found.holds(FACTS) in {True, False, None}


WORDS = (
    "score",
    "conflict",
    "1",
    "0.5",
    "-",
    "+",
    "*",
    "/",
    ">",
    "<=",
    "==",
    "and",
    "or",
    "not",
    "(",
    ")",
    "true",
    "abs(",
)
SPACED = st.lists(st.sampled_from([*WORDS, "label", '"buy"', "in", "[", "]", ",", "min(", "storm"]), max_size=24)


@given(SPACED)
def test_any_order_of_words_is_a_condition_or_a_fault_of_ours(words):
    text = " ".join(words)
    found = _compiled(text)
    if isinstance(found, Fault):
        assert found.reason != "CEL refuses this"
        assert "involved" not in found.reason
        assert 1 <= found.column <= len(text) + 1
    else:
        assert found.holds(FACTS) in {True, False, None}


def _both(left, right, *, absorbing: bool):
    """Return a function of two answers with a third one for unknown: `absorbing` on one side decides."""

    def run(facts):
        answers = (left(facts), right(facts))
        if absorbing in answers:
            return absorbing
        return None if None in answers else not absorbing

    return run


def _negated(inner):
    return lambda facts: None if inner(facts) is None else not inner(facts)


def _known(*operands, run):
    def answer(facts):
        values = [one(facts) for one in operands]
        return None if None in values else run(*values)

    return answer


NUMERIC = ("score", "conflict", "probability", "confidence")
LEAVES = st.sampled_from([(name, lambda facts, name=name: facts.get(name)) for name in NUMERIC]) | st.integers(
    0, 9
).map(lambda value: (str(value), lambda facts: float(value)))


def _calculations(inner):
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(lambda p: (f"({p[0][0]} + {p[1][0]})", _known(p[0][1], p[1][1], run=lambda a, b: a + b))),
        pairs.map(lambda p: (f"({p[0][0]} - {p[1][0]})", _known(p[0][1], p[1][1], run=lambda a, b: a - b))),
        pairs.map(lambda p: (f"({p[0][0]} * {p[1][0]})", _known(p[0][1], p[1][1], run=lambda a, b: a * b))),
        pairs.map(lambda p: (f"max({p[0][0]}, {p[1][0]})", _known(p[0][1], p[1][1], run=max))),
        inner.map(lambda one: (f"abs({one[0]})", _known(one[1], run=abs))),
        inner.map(lambda one: (f"({one[0]} / 4)", _known(one[1], run=lambda a: a / 4))),
    )


NUMBERS = st.recursive(LEAVES, _calculations, max_leaves=4)
COMPARED = st.tuples(NUMBERS, NUMBERS)
COMPARISONS = st.one_of(
    COMPARED.map(lambda p: (f"{p[0][0]} > {p[1][0]}", _known(p[0][1], p[1][1], run=lambda a, b: a > b))),
    COMPARED.map(lambda p: (f"{p[0][0]} <= {p[1][0]}", _known(p[0][1], p[1][1], run=lambda a, b: a <= b))),
    COMPARED.map(lambda p: (f"{p[0][0]} == {p[1][0]}", _known(p[0][1], p[1][1], run=lambda a, b: a == b))),
    st.just(('label == "buy"', _known(lambda facts: facts.get("label"), run=lambda a: a == "buy"))),
    st.just(('label in ["buy", "sell"]', _known(lambda facts: facts.get("label"), run=lambda a: a in {"buy", "sell"}))),
)


def _joined(inner):
    pairs = st.tuples(inner, inner)
    return st.one_of(
        pairs.map(lambda p: (f"({p[0][0]}) and {p[1][0]}", _both(p[0][1], p[1][1], absorbing=False))),
        pairs.map(lambda p: (f"({p[0][0]} or ({p[1][0]}))", _both(p[0][1], p[1][1], absorbing=True))),
        inner.map(lambda one: (f"not ({one[0]})", _negated(one[1]))),
    )


CONDITIONS = st.recursive(COMPARISONS, _joined, max_leaves=5)
KNOWN = st.fixed_dictionaries(
    {},
    optional={
        **{name: st.integers(-9, 9).map(float) for name in NUMERIC},
        "label": st.sampled_from(["buy", "neutral"]),
    },
)


@given(CONDITIONS, KNOWN)
def test_a_condition_means_what_python_means(pair, facts):
    """Small whole numbers and quarters: the calculations are exact in both, and so is their order."""
    text, oracle = pair
    found = _compiled(text)
    if isinstance(found, Fault):
        assert any(word in found.reason for word in ("at most", "no metric:", "deep"))
        return
    assert found.holds(facts) is oracle(facts)
