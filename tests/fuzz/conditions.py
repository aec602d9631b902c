"""Hostile conditions, led by coverage: the fuzzer's bytes in, a finding out where the language does what it must not.

A finding is any exception but a `Fault`, a fault without a place in the text or without a picture, a text that our
grammar lets pass and CEL does not for another reason than types, an answer that is none, more than 1 ms of CPU for an
evaluation or 20 ms for a text (three times in a row).

An input is raw text, words of the language in any order, or a good condition with some of its words replaced.
"""

import time
from collections.abc import Callable
from typing import Final

import atheris  # type: ignore[import-untyped]  # it has no stubs, and is not installed for checks

with atheris.instrument_imports(include=["libs.common.conditions.language"]):
    from libs.common.conditions.language import Condition, Fault, compile_condition

from libs.common.conditions.catalogue import METRICS
from libs.common.conditions.subjects import Fact, Kind
from libs.common.conditions.templates import TEMPLATES
from tests.fuzz.findings import Finding, Hang

CONDITIONS: Final = "conditions"
EVALUATION_S: Final = 0.001
COMPILATION_S: Final = 0.02
_KINDS: Final = tuple(Kind)
_GOOD: Final = tuple(
    (text, template.kind) for template in TEMPLATES.values() for text in (template.condition, template.until) if text
)
_SIGNS: Final = (
    *("and", "or", "not", "in", "true", "false", "&&", "||", "!", "==", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/"),
    *("(", ")", "[", "]", ",", "abs(", "min(", "max(", "abs", "0", "1", "0.5", "1e15", "1e-15", "1e16", ".5", "5."),
    *('""', '"buy"', "'long'", '"\U0001f600"', '"', ".", "{", "}", "?", ":", "\\", "%", "\u0435", "\ud800", "\n", "\0"),
)
_WORDS: Final = (*_SIGNS, *METRICS)
_VALUES: Final[tuple[Fact, ...]] = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 1e15, -1e15, 1e-300, float("nan"), float("inf"), 1e308, True, False),
    *("", "buy", "long", "x" * 256, "x" * 257, "\ud800", "\U0001f600"),
)


def condition_target() -> Callable[[bytes], None]:
    """Return what one input does to the language."""

    def run(data: bytes) -> None:
        provider = atheris.FuzzedDataProvider(data)
        text, kind = _text(provider)
        began = time.process_time()
        try:
            found: Condition | Fault = compile_condition(text, kind)
        except Fault as fault:
            found = fault
        took = time.process_time() - began
        if took > COMPILATION_S:
            raise Hang(f"{took * 1e3:.2f} ms of CPU for {text!r}")
        if isinstance(found, Fault):
            _look(found, text)
        else:
            for _ in range(3):
                _ask(found, provider)

    return run


def _text(provider: atheris.FuzzedDataProvider) -> tuple[str, Kind]:
    kind = _KINDS[provider.ConsumeIntInRange(0, len(_KINDS) - 1)]
    match provider.ConsumeIntInRange(0, 7):
        case 0:
            return str(provider.ConsumeUnicode(provider.ConsumeIntInRange(0, 600))), kind
        case 1 | 2:
            count = provider.ConsumeIntInRange(0, 140)
            space = " " if provider.ConsumeBool() else ""
            return space.join(_word(provider) for _ in range(count)), kind
        case _:
            text, kind = _GOOD[provider.ConsumeIntInRange(0, len(_GOOD) - 1)]
            words = text.replace("(", " ( ").replace(")", " ) ").replace(",", " , ").split()
            for _ in range(provider.ConsumeIntInRange(0, 12)):
                at = provider.ConsumeIntInRange(0, len(words))
                words[at : at + provider.ConsumeIntInRange(0, 2)] = [_word(provider)]
            return " ".join(words), kind


def _word(provider: atheris.FuzzedDataProvider) -> str:
    if provider.ConsumeIntInRange(0, 31) == 0:
        return str(provider.ConsumeUnicode(8))
    return _WORDS[int(provider.ConsumeIntInRange(0, len(_WORDS) - 1))]


def _look(fault: Fault, text: str) -> None:
    message, line, marks = fault.shown(text).split("\n")
    place = 1 <= fault.column <= len(text) + 1 and fault.length >= 1
    picture = marks.lstrip(" ").strip("^") == "" and "^" in marks and len(marks) <= len(line) + 1
    if not (place and picture and message.isprintable() and line.isprintable()):
        raise Finding(f"no place: {fault!r} of {text!r}")
    if fault.reason in {"CEL refuses this", "the condition is too involved"}:
        raise Finding(f"CEL refuses what the grammar lets pass: {fault!r} of {text!r}")


def _ask(condition: Condition, provider: atheris.FuzzedDataProvider) -> None:
    facts: dict[str, Fact] = {}
    for name in sorted(condition.names):
        choice = provider.ConsumeIntInRange(0, len(_VALUES))
        if choice < len(_VALUES):
            facts[name] = _VALUES[choice]
        elif provider.ConsumeBool():
            facts[name] = provider.ConsumeFloat()
    began = time.process_time()
    answer = condition.holds(facts)
    took = time.process_time() - began
    if not (answer is None or isinstance(answer, bool)):
        raise Finding(f"{answer!r} is no answer: {condition.text!r} of {facts!r}")
    if took > EVALUATION_S:
        raise Hang(f"{took * 1e3:.2f} ms of CPU for {condition.text!r} of {facts!r}")
