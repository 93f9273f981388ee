"""Calibration frames are spread over what a drive shows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from calibration.frames import select_frames


def flat(value: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.full((18, 32, 3), value, np.uint8)


def test_a_long_wait_counts_once_and_the_rare_come_in() -> None:
    drive = [flat(100)] * 50 + [flat(101)] * 50 + [flat(5), flat(250)]
    chosen = sorted(int(drive[number][0, 0, 0]) for number in select_frames(iter(drive), 3))
    assert chosen[0] == 5
    assert chosen[1] in {100, 101}
    assert chosen[2] == 250


@given(st.lists(st.integers(0, 255), min_size=1, max_size=30), st.integers(1, 10))
def test_no_frame_left_out_is_further_than_the_chosen_are_apart(values: list[int], count: int) -> None:
    """The guarantee of farthest-point sampling."""
    chosen = [values[number] for number in select_frames(map(flat, values), count)]
    assert len(chosen) == min(count, len(values))
    if len(values) > count > 1:
        apart = min(abs(a - b) for i, a in enumerate(chosen) for b in chosen[:i])
        assert max(min(abs(v - c) for c in chosen) for v in values) <= apart
