"""A rule in; nothing out when it can be asked, or why it cannot be. Pure."""

from functools import lru_cache
from typing import Final

from libs.common.conditions.language import Condition, Fault, compile_condition
from libs.common.conditions.subjects import Kind
from libs.common.events import AlertRule

_MOST_S: Final = 366 * 86_400


def proper(rule: AlertRule) -> None:
    """Check that the rule can be asked.

    Raises:
        ValueError: why not, in words for its author; a `Fault` of a condition says the place.
    """
    if rule.kind not in frozenset(Kind):
        raise ValueError(f"kind: there is no {rule.kind!r}; it is one of {', '.join(Kind)}")
    kind = Kind(rule.kind)
    for name, seconds in (("for_s", rule.for_s), ("cooldown_s", rule.cooldown_s)):
        if not 0 <= seconds <= _MOST_S:
            raise ValueError(f"{name}: {seconds} is not between 0 and a year")
    if kind is Kind.SIGNAL and (rule.until or rule.for_s):
        raise ValueError("until, for_s: a signal is of one moment, it neither lasts nor ends")
    if kind is not Kind.SIGNAL and not rule.condition:
        raise ValueError(f"condition: a rule about {kind} needs one")
    if rule.condition:
        condition_of(rule.condition, kind)
    if rule.until:
        try:
            condition_of(rule.until, kind)
        except Fault as e:
            raise ValueError(f"until: {e}") from e


@lru_cache(maxsize=4096)
def condition_of(text: str, kind: Kind = Kind.SIGNAL) -> Condition:
    """Return what `text` says about subjects of `kind`.

    Raises:
        Fault: with its place.
    """
    return compile_condition(text, kind)
