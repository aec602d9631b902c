"""The tokens of a condition in; the metrics it names out, or the first token that cannot stand where it stands.

What passes here is well-formed CEL without attributes, macros, maps, indices or calls but the fixed ones: only types
stay for CEL. Stricter than CEL on purpose: comparisons do not chain, a divisor is a number that is not 0, a list stands
after `in` and holds values of one type, and a text that is compared with a metric is one it can have.
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from libs.common.conditions.catalogue import METRICS, Metric
from libs.common.conditions.language import limits
from libs.common.conditions.language.fault import Fault
from libs.common.conditions.language.tokens import WORDS, Sort, Token
from libs.common.conditions.subjects import Kind

_OPERAND: Final = "a metric, a number, a text in quotes, true, false or ("
_VALUES: Final = (Sort.NUMBER, Sort.TEXT, Sort.TRUTH)


class _Frame(Struct):
    """An open parenthesis; the first one stands for the condition itself."""

    opener: Token | None = None
    function: Token | None = None
    values: int = 1
    """Of a call, so far."""
    compared: Token | None = None
    """The comparison since the last `and`, `or` or comma."""


class _Want(Enum):
    OPERAND = auto()
    OPERATOR = auto()


class Grammar:
    """Walks once over the tokens of one condition of one kind."""

    def __init__(self, tokens: Sequence[Token], kind: Kind) -> None:
        self._tokens = tokens
        self._kind = kind
        self._known: Mapping[str, Metric] = {name: one for name, one in METRICS.items() if kind in one.kinds}
        self._frames = [_Frame()]
        self._want = _Want.OPERAND
        self._arithmetic = 0
        self._at = 0
        self.names: set[str] = set()

    def check(self) -> frozenset[str]:
        """Return the names of the metrics.

        Raises:
            Fault: the leftmost token that is wrong where it stands.
        """
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if self._want is _Want.OPERAND:
                self._operand(token)
            else:
                self._operator(token)
            self._at += 1
        last = self._tokens[-1] if self._tokens else None
        if last is None:
            raise Fault(1, 1, "the condition is empty", "score > 0.5, say")
        if self._want is _Want.OPERAND:
            end = last.column + len(last.text)
            raise Fault(end, 1, f"something is missing after {last.text}", f"{_OPERAND} comes next")
        opener = self._frames[-1].opener
        if opener is not None:
            raise opener.fault("this ( is not closed")
        if not self.names:
            raise Fault(1, last.column + len(last.text) - 1, "the condition names no metric: it never changes")
        return frozenset(self.names)

    def _before(self) -> Token | None:
        return self._tokens[self._at - 1] if self._at else None

    def _after(self) -> Token | None:
        return self._tokens[self._at + 1] if self._at + 1 < len(self._tokens) else None

    def _operand(self, token: Token) -> None:
        if token.sort is Sort.NAME:
            self._name(token)
        elif token.sort in _VALUES:
            self._want = _Want.OPERATOR
            if token.sort is Sort.TEXT:
                self._spelled(token)
        elif token.sort is Sort.OPEN:
            self._open(_Frame(opener=token), token)
        elif token.sort is Sort.NOT or token.text == "-":
            before = self._before()
            if before is not None and before.cel in {"!", "-"} and self._is_prefix():
                if before.cel == token.cel:
                    raise token.fault(f"a second {token.text} undoes the first", "write neither")
                raise token.fault(
                    f"{before.text} does not go with {token.text}", "not is of true or false, - of numbers"
                )
        elif token.sort is Sort.OPEN_LIST:
            raise token.fault("a list stands only after in", 'label in ["buy", "sell"]')
        else:
            raise token.fault(f"{token.text} stands where a value belongs", f"{_OPERAND} comes here")

    def _is_prefix(self) -> bool:
        """Return whether the token before this one is a sign of one value: there is no value before it."""
        if self._at < 2:
            return True
        one = self._tokens[self._at - 2].sort
        return one not in {Sort.NAME, *_VALUES, Sort.CLOSE, Sort.CLOSE_LIST}

    def _name(self, token: Token) -> None:
        after = self._after()
        called = after is not None and after.sort is Sort.OPEN
        if token.text in limits.FUNCTIONS:
            if after is None or not called:
                raise token.fault(f"{token.text} needs its values in ( )")
            self._at += 1
            self._open(_Frame(opener=after, function=token), after)
            return
        if called:
            functions = ", ".join(limits.FUNCTIONS)
            raise token.fault(f"there is no function {token.text}", f"there are {functions}")
        if token.text not in self._known:
            raise self._unknown(token)
        self.names.add(token.text)
        self._want = _Want.OPERATOR

    def _unknown(self, token: Token) -> Fault:
        metric = METRICS.get(token.text)
        if metric is not None:
            kinds = ", ".join(sorted(metric.kinds))
            return token.fault(f"{token.text} is not known of a {self._kind}", f"it is of: {kinds}")
        close = get_close_matches(token.text.lower(), [*self._known, *WORDS], n=1)
        return token.fault(f"there is no metric {token.text}", f"is it {close[0]}?" if close else "")

    def _open(self, frame: _Frame, token: Token) -> None:
        self._frames.append(frame)
        if len(self._frames) > limits.DEPTH + 1:
            raise token.fault(f"parentheses are at most {limits.DEPTH} deep")
        self._want = _Want.OPERAND

    def _operator(self, token: Token) -> None:
        frame = self._frames[-1]
        match token.sort:
            case Sort.AND_OR:
                frame.compared = None
                self._want = _Want.OPERAND
            case Sort.COMPARISON | Sort.IN:
                self._comparison(token, frame)
            case Sort.ARITHMETIC:
                self._calculation(token)
            case Sort.CLOSE:
                self._close(token, frame)
            case Sort.COMMA if frame.function is not None:
                frame.values += 1
                frame.compared = None
                self._want = _Want.OPERAND
            case Sort.COMMA | Sort.CLOSE_LIST:
                raise token.fault(f"{token.text} has no place here", "write and, or")
            case Sort.OPEN_LIST:
                raise token.fault("a list stands only after in, and nothing is looked up by [ ]")
            case Sort.OPEN:
                raise token.fault("a sign is missing before this (", "and, or, ==, >, +, say")
            case _:
                raise token.fault(f"a sign is missing before {token.text}", "and, or, ==, >, +, say")

    def _comparison(self, token: Token, frame: _Frame) -> None:
        if frame.compared is not None:
            raise token.fault("comparisons do not chain", "0 < score and score < 1, say")
        frame.compared = token
        if token.sort is Sort.IN:
            self._list()
        else:
            self._want = _Want.OPERAND

    def _calculation(self, token: Token) -> None:
        self._arithmetic += 1
        if self._arithmetic > limits.ARITHMETIC:
            raise token.fault(f"a condition has at most {limits.ARITHMETIC} of + - * /")
        self._want = _Want.OPERAND
        if token.text != "/":
            return
        after = self._after()
        if after is not None and after.text == "-" and self._at + 2 < len(self._tokens):
            after = self._tokens[self._at + 2]
        if after is not None and (after.sort is not Sort.NUMBER or not float(after.cel)):
            raise after.fault("a divisor is a number that is not 0", "for a / b > 2 write a > 2 * b")

    def _close(self, token: Token, frame: _Frame) -> None:
        if frame.opener is None:
            raise token.fault("this ) closes nothing")
        if frame.function is not None:
            wanted = limits.FUNCTIONS[frame.function.text]
            if frame.values != wanted:
                has = "1 value" if wanted == 1 else f"{wanted} values"
                raise frame.function.fault(f"{frame.function.text} takes {has}, not {frame.values}")
        self._frames.pop()

    def _list(self) -> None:
        before = self._before()
        opener = self._after()
        if opener is None or opener.sort is not Sort.OPEN_LIST:
            raise (opener or self._tokens[self._at]).fault("a list belongs after in", 'label in ["buy", "sell"]')
        self._at += 2
        items = 0
        first: Token | None = None
        while True:
            item = self._item(opener)
            items += 1
            if items > limits.ITEMS:
                raise item.fault(f"a list has at most {limits.ITEMS} values")
            if first is not None and item.sort is not first.sort:
                raise item.fault("a list holds numbers or texts, not both")
            first = first or item
            if item.sort is Sort.TEXT and before is not None and before.sort is Sort.NAME:
                self._one_of(item, before)
            end = self._tokens[self._at] if self._at < len(self._tokens) else None
            if end is None:
                raise opener.fault("this [ is not closed")
            if end.sort is Sort.CLOSE_LIST:
                return
            if end.sort is not Sort.COMMA:
                raise end.fault("values of a list are separated by commas")
            self._at += 1

    def _item(self, opener: Token) -> Token:
        """Return the value at this place, and step behind it."""
        if self._at < len(self._tokens) - 1 and self._tokens[self._at].text == "-":
            self._at += 1
            if self._tokens[self._at].sort is not Sort.NUMBER:
                raise self._tokens[self._at].fault("a number belongs after -")
        if self._at >= len(self._tokens):
            raise opener.fault("this [ is not closed")
        item = self._tokens[self._at]
        if item.sort not in {Sort.NUMBER, Sort.TEXT}:
            raise item.fault("a list holds numbers or texts in quotes")
        self._at += 1
        return item

    def _spelled(self, text: Token) -> None:
        """Hold a text against the metric on the other side of `==` or `!=`."""
        before, after = self._before(), self._after()
        if before is not None and before.text in {"==", "!="} and self._at >= 2:
            self._one_of(text, self._tokens[self._at - 2])
        if after is not None and after.text in {"==", "!="} and self._at + 2 < len(self._tokens):
            self._one_of(text, self._tokens[self._at + 2])

    def _one_of(self, text: Token, name: Token) -> None:
        metric = self._known.get(name.text) if name.sort is Sort.NAME else None
        value = text.text[1:-1]
        if metric is None or not metric.values or value in metric.values:
            return
        close = get_close_matches(value.lower(), metric.values, n=1)
        hint = f'is it "{close[0]}"?' if close else f"it is one of: {', '.join(metric.values)}"
        raise text.fault(f"{name.text} is never {text.text}", hint)
