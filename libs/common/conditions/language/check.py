"""A condition's text and the kind it is about in; what can be asked whether it holds, or the place of its fault, out.

The only file that knows the library. Its standard library is cut down to what a condition may use: text that got past
our own grammar would still find no macro, no regular expression, no conversion and no order of texts.
"""

import re
from bisect import bisect_left
from collections.abc import Mapping
from functools import cache
from itertools import accumulate
from typing import Final

from cel_expr_python import cel

from libs.common.conditions.catalogue import METRICS
from libs.common.conditions.language import limits
from libs.common.conditions.language.fault import Fault
from libs.common.conditions.language.grammar import Grammar
from libs.common.conditions.language.tokens import Sort, Token, tokens
from libs.common.conditions.subjects import Fact, Kind

_LIBRARY: Final = {
    "!_": "logical_not",
    "_&&_": "logical_and",
    "_||_": "logical_or",
    "_==_": "equals",
    "_!=_": "not_equals",
    "@in": "in_list",
    "_<_": "less_double",
    "_<=_": "less_equals_double",
    "_>_": "greater_double",
    "_>=_": "greater_equals_double",
    "_+_": "add_double",
    "_-_": "subtract_double",
    "_*_": "multiply_double",
    "_/_": "divide_double",
    "-_": "negate_double",
}
"""The functions of CEL that a condition may use, each with its one overload."""
_TYPES: Final = {float: cel.Type.DOUBLE, str: cel.Type.STRING, bool: cel.Type.BOOL}
_WORDS: Final = {"double": "a number", "string": "text", "bool": "true or false"}
_PLACE: Final = re.compile(r"<input>:1:(\d+): ([^\n]*)")
_OVERLOAD: Final = re.compile(r"found no matching overload for '(.+)' applied to '\((.*)\)'")


class Condition:
    """One condition about subjects of one kind; it has no state."""

    def __init__(self, text: str, kind: Kind, names: frozenset[str], expression: cel.Expression) -> None:
        self.text = text
        self.kind = kind
        self.names = names
        self._wanted = tuple((name, METRICS[name].type) for name in sorted(names))
        self._expression = expression

    def holds(self, facts: Mapping[str, Fact]) -> bool | None:
        """Return whether it holds of `facts`; None where that depends on one that is absent or no proper value.

        `a or b` holds when one of them does, and `a and b` does not when one does not, though the other be unknown.
        A number that is not finite or not below 1e15, a text over 256 characters, a value of another type: all absent.
        """
        known: dict[str, Fact] = {}
        for name, wanted in self._wanted:
            value = _proper(facts.get(name), wanted)
            if value is not None:
                known[name] = value
        answer = self._expression.eval(data=known).value()
        return answer if isinstance(answer, bool) else None


def compile_condition(text: str, kind: Kind) -> Condition:
    """Return the condition that `text` says about subjects of `kind`.

    Raises:
        Fault: with its place; CEL is not asked about a text that has a fault before types matter.
    """
    found = tokens(text)
    names = Grammar(found, kind).check()
    try:
        expression = _environment(kind).compile(" ".join(token.cel for token in found))
    except RuntimeError as error:
        raise _fault(str(error), found) from error
    result = expression.return_type().name()
    if result != "BOOL":
        length = found[-1].column + len(found[-1].text) - found[0].column
        says = {"DOUBLE": "a number", "STRING": "a text"}.get(result, "something else")
        raise Fault(found[0].column, length, f"this is {says}, not true or false", "compare it: score > 0.5, say")
    return Condition(text, kind, names, expression)


def _proper(value: object, wanted: type[float] | type[str] | type[bool]) -> Fact | None:
    if isinstance(value, bool) or wanted is bool:
        return value if isinstance(value, bool) and wanted is bool else None
    if wanted is float:
        return float(value) if isinstance(value, float | int) and -limits.LARGEST <= value <= limits.LARGEST else None
    return str(value) if isinstance(value, str) and len(value) <= limits.FACT_TEXT and value.isprintable() else None


@cache
def _environment(kind: Kind) -> cel.Env:
    lines = ["stdlib:", "  disable_macros: true", "  include_functions:"]
    for name, overload in _LIBRARY.items():
        lines += [f'    - name: "{name}"', "      overloads:", f'        - id: "{overload}"']
    number = cel.Type.DOUBLE
    implementations = {"abs": abs, "min": min, "max": max}
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml("\n".join(lines) + "\n"),
        variables={name: _TYPES[metric.type] for name, metric in METRICS.items() if kind in metric.kinds},
        functions=[
            cel.FunctionDecl(name, [cel.Overload(f"{name}_number", number, [number] * count)])
            for name, count in limits.FUNCTIONS.items()
        ],
        function_impls={f"{name}_number": implementations[name] for name in limits.FUNCTIONS},
    )


def _fault(message: str, found: tuple[Token, ...]) -> Fault:
    """Return CEL's leftmost complaint about the joined tokens as one about the author's text."""
    complaints = sorted((int(column), reason) for column, reason in _PLACE.findall(message))
    if not complaints:
        whole = found[-1].column + len(found[-1].text) - found[0].column
        return Fault(found[0].column, whole, "the condition is too involved", "make two rules of it")
    column, reason = complaints[0]
    ends = accumulate(len(token.cel) + 1 for token in found)
    place = min(bisect_left(list(ends), column), len(found) - 1)
    mismatch = _OVERLOAD.search(reason)
    if mismatch is None:
        return found[place].fault("CEL refuses this", reason[:120])
    return _mismatch(found, place, [_WORDS.get(one.strip(), "a list") for one in mismatch[2].split(",")])


def _mismatch(found: tuple[Token, ...], place: int, sides: list[str]) -> Fault:
    token = found[place]
    if token.sort is Sort.OPEN:
        token = found[place - 1]
        return token.fault(f"{token.text} takes numbers, not {' and '.join(sides)}")
    if token.sort is Sort.NOT:
        return token.fault(f"{token.text} turns true and false round, not {sides[0]}", "not (score > 1), say")
    if token.sort is Sort.AND_OR:
        wrong = next((side for side in sides if side != "true or false"), sides[0])
        return token.fault(f"{token.text} joins what is true or false, not {wrong}", "compare both sides first")
    if len(sides) == 1:
        return token.fault(f"{token.text} stands before {sides[0]}, not before a number")
    hint = "text is compared by ==, != and in" if sides == ["text", "text"] else ""
    return token.fault(f"{token.text} does not go with {sides[0]} and {sides[1]}", hint)
