"""Slopes of rays from a table, against places that the lens projects."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.geometry.calibration_file import Calibration
from perception.geometry.eye import Eye
from perception.geometry.ground import Ground
from tests.geometry.lenses import PLAIN
from tests.geometry.roads import mount

MOUNT = mount(1.4, 0.0)  # level: slopes are straight lines over the picture
EYE = Eye(Calibration(PLAIN, MOUNT), MOUNT)


@settings(max_examples=50)
@given(st.floats(3.0, 60.0), st.floats(-0.9, 0.9))
def test_slopes_go_on_beyond_the_frame(ahead: float, aside: float) -> None:
    """A box or a boundary may end up to a quarter of the picture outside."""
    pixels = Ground(PLAIN, MOUNT).to_pixels(np.array([[ahead, aside * ahead]]))
    found = np.ravel(EYE.look(pixels))
    assert found == pytest.approx((aside, MOUNT.height / ahead), abs=1e-6)
