"""What comparisons of runs rest on: which road users are the same, and sums over frames."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from perception.app.diff.compare import Labels, Matches, matches

IDS = st.sampled_from([0, 1, 2, 9001, 65535])


@given(
    arrays.arrays(np.uint16, (4, 6), elements=IDS, fill=st.nothing()),
    arrays.arrays(np.uint16, (4, 6), elements=IDS, fill=st.nothing()),
)
def test_matches_are_those_of_half_or_more(a: Any, b: Any) -> None:
    ious = {
        (i, k): ((a == i) & (b == k)).sum() / ((a == i) | (b == k)).sum()
        for i in set(a.ravel().tolist()) - {0}
        for k in set(b.ravel().tolist()) - {0}
    }
    found = {(i, k): iou for i, k, iou in matches(a, b)}
    assert all(iou == pytest.approx(ious[pair]) and iou >= 0.5 for pair, iou in found.items())
    assert {pair for pair, iou in ious.items() if iou > 0.5} <= found.keys()
    for side in (0, 1):
        assert len({pair[side] for pair in found}) == len(found)
    halves = {pair for pair, iou in ious.items() if iou == 0.5} - found.keys()
    assert all(any(i == one[0] or k == one[1] for one in found) for i, k in halves)


def test_sums_of_frames() -> None:
    assert Labels({1: (2, 3, 4)}) + Labels({1: (1, 1, 1), 5: (0, 1, 0)}) == Labels(
        {1: (3, 4, 5), 5: (0, 1, 0)}
    )
    assert Matches(1, 2, 3, 4, 5.0, 6.0) + Matches(1, 1, 1, 1, 1.0, 1.0) == Matches(2, 3, 4, 5, 6.0, 7.0)
    assert Labels().agreement == Matches().agreement == 1
