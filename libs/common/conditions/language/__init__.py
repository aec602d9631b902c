"""Conditions of rules: a text in; what can be asked about a subject's facts, or a fault with its place, out."""

from libs.common.conditions.language.check import Condition, compile_condition
from libs.common.conditions.language.fault import Fault

__all__ = ["Condition", "Fault", "compile_condition"]
