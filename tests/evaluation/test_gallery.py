"""The picture of the best and the worst frames shows those, in order."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.classes import DRIVE
from perception.datasets.dataset import Sample
from perception.evaluation.gallery import BAR, WIDTH, Gallery
from perception.evaluation.truth import true_scene
from perception.frame import Frame

SHAPE = (40, WIDTH)


def gallery(values: list[float]) -> list[float]:
    """Offer frames whose brightness is 200 times their figure; the figures of the rows shown."""
    shown = Gallery("PQ", DRIVE)
    assert not shown
    sample = Sample(
        "a", np.zeros((*SHAPE, 3), np.uint8), np.full(SHAPE, 1, np.uint32), np.zeros(SHAPE, np.uint16)
    )
    for value in values:
        frame = Frame(np.full((*SHAPE, 3), round(200 * value), np.uint8), 0, stem="street")
        shown.offer(value, frame, true_scene(sample), sample)
    picture = shown.picture()
    assert picture.shape[1] == 3 * WIDTH
    rows = np.split(picture, picture.shape[0] // (SHAPE[0] + BAR))
    return [float(row[BAR + 10, 10, 0]) / 200 for row in rows]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 20), min_size=1, max_size=9))
def test_two_worst_and_two_best_are_shown(steps: list[int]) -> None:
    values = [step / 20 for step in steps]
    ranked = sorted(values)
    wanted = ranked if len(ranked) <= 4 else ranked[:2] + ranked[-2:]
    assert gallery(values) == pytest.approx(wanted)


def test_rows_show_the_frame_what_was_found_and_what_is_true() -> None:
    def sample(name: str) -> Sample:
        target = np.full(SHAPE, DRIVE.bits(name), np.uint32)
        return Sample("a", np.zeros((*SHAPE, 3), np.uint8), target, np.zeros(SHAPE, np.uint16))

    shown = Gallery("accuracy", DRIVE)
    frame = Frame(np.zeros((*SHAPE, 3), np.uint8), 0, stem="a_long_name" * 9)
    shown.offer(0.0, frame, true_scene(sample("sky")), sample("vehicle"))
    _, found, true = np.split(shown.picture()[BAR + 20, ::-1, ::-1], 3)[::-1]  # RGB
    for pixel, name in ((found[100], "sky"), (true[100], "vehicle")):
        colour = np.array(DRIVE.colours[DRIVE.id(name)], float)
        assert np.corrcoef(pixel, colour)[0, 1] > 0.99  # a tint of it
    caption = cv2.cvtColor(shown.picture()[:BAR, :WIDTH], cv2.COLOR_BGR2GRAY)
    assert caption.max() > 200
    assert caption[:, -2:].max() == 0  # it ends within its picture
