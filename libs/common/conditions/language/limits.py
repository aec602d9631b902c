"""How large a condition may be: what every text stays below before anything else looks at it.

The bounds of values make every calculation finite: with facts and numbers below 1e15 and at most 16 of `+ - * /`, a
result stays below 1e15 ** 17 * 2 ** 16, which is less than 1e260, and no divisor is 0.
"""

from typing import Final

BYTES: Final = 512
"""Of the text in UTF-8."""
TOKENS: Final = 128
DEPTH: Final = 8
"""Parentheses within parentheses, calls included."""
ITEMS: Final = 32
"""Of one list."""
STRING: Final = 64
"""Characters between the quotes."""
NUMBER: Final = 24
"""Characters of one number."""
ARITHMETIC: Final = 16
"""Signs `+ - * /` of one condition."""
LARGEST: Final = 1e15
"""Of a number, and of a fact: a larger one is taken for unknown."""
SMALLEST: Final = 1e-15
"""Of a number that is not 0."""
FACT_TEXT: Final = 256
"""Characters of a fact that is text; a longer one is taken for unknown."""
FUNCTIONS: Final = {"abs": 1, "min": 2, "max": 2}
"""All that can be called, with the number of values each takes."""
