import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.signals.engine.flow.equations import solve

ENTRY = st.floats(-100, 100).map(lambda x: round(x, 3))


@given(
    st.integers(1, 8).flatmap(
        lambda n: st.lists(st.lists(ENTRY, min_size=n + 1, max_size=n + 1), min_size=n, max_size=n)
    )
)
def test_solutions_are_those_of_numpy(rows):
    matrix, right = [row[:-1] for row in rows], [row[-1] for row in rows]
    if np.linalg.cond(np.array(matrix)) > 1e6:
        return
    found = solve(matrix, right)
    assert found == pytest.approx(np.linalg.solve(matrix, right).tolist(), rel=1e-8, abs=1e-8)


def test_rows_that_do_not_determine_it_have_no_solution():
    assert solve([[1.0, 2.0], [2.0, 4.0]], [1.0, 2.0]) is None
    assert solve([[0.0]], [1.0]) is None


def test_a_zero_on_the_diagonal_is_no_obstacle():
    assert solve([[0.0, 2.0], [4.0, 0.0]], [6.0, 8.0]) == [2.0, 3.0]


def test_nothing_is_solved_by_nothing():
    assert solve([], []) == []
