"""Long answers for assistants: what fits is said, the cursor leads to the rest, and nothing is lost or said twice."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.problems import Problem
from services.gateway.surfaces.cutting import fit, read

ROWS = st.lists(st.text(max_size=80), max_size=120)


def characters(plain):
    return len(json.dumps(plain, ensure_ascii=False, separators=(",", ":")))


@given(st.dictionaries(st.sampled_from(["data", "feeds", "a.b"]), ROWS, max_size=3), st.integers(2_000, 6_000))
def test_following_the_cursor_tells_every_row_once_and_in_order(lists, most):
    told: dict[str, list[str]] = {name: [] for name in lists}
    page = fit({**lists, "note": "kept"}, most)
    for _ in range(200):
        assert characters(page) <= most
        assert page["note"] == "kept"
        for name in lists:
            told[name] += page[name]
        if "next_cursor" not in page:
            break
        assert page["cut"]
        page = fit({**lists, "note": "kept"}, most, read(page["next_cursor"]))
    assert told == lists


def test_a_short_answer_stays_as_it_is():
    assert fit({"data": [1, 2]}, 100) == {"data": [1, 2]}


def test_how_much_is_missing_is_said():
    page = fit({"data": ["x" * 96] * 100}, 3_000)
    kept = len(page["data"])
    assert 10 <= kept <= 30
    assert page["cut"] == {"data": {"kept": kept, "of": 100}}
    follows = fit({"data": ["x" * 96] * 100}, 3_000, read(page["next_cursor"]))
    assert follows["cut"] == {"data": {"kept": kept, "of": 100}}


def test_a_list_below_the_first_level_is_cut_too():
    page = fit({"book": {"bids": [[1.0, 2.0]] * 500, "asks": []}}, 3_000)
    assert page["cut"]["book.bids"]["of"] == 500


def test_what_has_no_rows_to_drop_is_refused():
    with pytest.raises(Problem) as told:
        fit({"text": "x" * 5_000, "data": [1]}, 3_000)
    assert told.value.code == "too_large"


@pytest.mark.parametrize("cursor", ["", "!", "e30", "bnVsbA", "W1tbImRhdGEiXSwtMV1d", "ä", "W1tbImRhdGEiXSwxXQ"])
def test_a_cursor_that_is_none_is_refused(cursor):
    with pytest.raises(Problem) as told:
        read(cursor)
    assert told.value.code == "invalid_parameter"


def test_a_cursor_of_another_answer_is_refused():
    with pytest.raises(Problem):
        fit({"data": [1]}, 100, {("data",): 2})
    with pytest.raises(Problem):
        fit({"data": [1]}, 100, {("feeds",): 0})
