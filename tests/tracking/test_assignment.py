"""Pairs of the greatest gain, by SciPy's answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from perception.tracking.assignment import assign


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.integers(0, 12), st.floats(0, 1))
def test_the_sum_of_gains_is_the_greatest(seed: int, rows: int, columns: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    gains = rng.random((rows, columns)) * (rng.random((rows, columns)) < share)
    mine, others = assign(gains)
    assert gains[mine, others].sum() == pytest.approx(
        gains[linear_sum_assignment(gains, maximize=True)].sum()
    )
    assert (gains[mine, others] > 0).all()
    assert mine.tolist() == sorted(set(mine.tolist()))
    assert len(set(others.tolist())) == len(others)


def test_a_pair_gives_way_where_that_gains_more() -> None:
    gains = np.array([[0.9, 0.8, 0, 0], [0.8, 0.1, 0, 0], [0, 0, 0, 0], [0, 0, 0.3, 0]])
    rows, columns = assign(gains)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 1), (1, 0), (3, 2)]
