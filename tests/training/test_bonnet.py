"""A bonnet at the lower edge hides what was there, and is no road user."""

import numpy as np
import pytest

from perception.classes import DRIVE
from perception.training.augmentation import View
from perception.training.bonnet import HEIGHT, with_bonnet

NO_THING = (1 << len(DRIVE)) - 1 - DRIVE.bits(*DRIVE.things)


@pytest.mark.parametrize("seed", range(8))
def test_bonnet(seed: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (96, 128, 3), np.uint8)
    view = View(image, np.full((48, 64), 256, np.int32), np.full((48, 64), 8001, np.int32))
    shown = with_bonnet(view, rng, DRIVE)
    hidden = shown.target == NO_THING
    assert 0 < hidden.sum() < (HEIGHT[1] + 0.05) * hidden.size
    assert (shown.target[~hidden] == 256).all()
    np.testing.assert_array_equal(shown.instances, np.where(hidden, 0, 8001))
    lowest = hidden[-1].nonzero()[0]
    assert len(lowest) == np.ptp(lowest) + 1  # it stands on the lower edge, in one piece
    above = ~hidden.repeat(2, 0).repeat(2, 1)
    untouched = (shown.image == image).all(-1)
    assert untouched[:48].all()
    assert untouched[above].mean() > 0.95  # all but its soft edge
    assert untouched[~above].mean() < 0.05
