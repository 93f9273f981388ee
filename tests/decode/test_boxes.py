"""Boxes with masks laid into a frame, against masks drawn pixel by pixel."""

import time

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from perception.classes import DRIVE
from perception.decode.boxes import LEAST_SCORE, group_by_boxes, thing_labels
from perception.decode.grouping import make_instances
from perception.resample import resize_ids
from perception.types import Floats

VEHICLE, PEDESTRIAN = DRIVE.id("vehicle"), DRIVE.id("pedestrian")

FULL = np.ones((28, 28), np.float32)


def detections(
    *found: tuple[tuple[float, float, float, float], float, int, Floats],
) -> tuple[Floats, Floats, npt.NDArray[np.uint8], Floats]:
    """Boxes, scores, classes and masks as a network gives them: 8 of them, 0 past the last."""
    boxes, scores = np.zeros((8, 4), np.float32), np.zeros(8, np.float32)
    classes, masks = np.zeros(8, np.uint8), np.zeros((8, 28, 28), np.float32)
    for i, (box, score, class_id, mask) in enumerate(found):
        boxes[i], scores[i], classes[i], masks[i] = box, score, class_id, mask
    return boxes, scores, classes, masks


@given(st.integers(0, 30), st.integers(0, 20), st.integers(1, 40), st.integers(1, 40))
def test_a_full_mask_fills_its_box(x: int, y: int, w: int, h: int) -> None:
    groups = group_by_boxes(*detections(((x, y, x + w, y + h), 0.9, VEHICLE, FULL)), 64, 96)
    expected = np.zeros((64, 96), np.uint16)
    expected[y : y + h, x : x + w] = 1
    assert np.array_equal(groups.numbers, expected)
    assert groups.class_ids.tolist() == [VEHICLE]


@given(
    st.floats(-20, 90), st.floats(-20, 60), st.floats(0.5, 90), st.floats(0.5, 90), st.integers(0, 2**31 - 1)
)
def test_masks_are_sampled_at_pixel_centres(x: float, y: float, w: float, h: float, seed: int) -> None:
    """Each pixel with its centre inside the box shows the mask at its place in it, bilinearly."""
    mask = np.random.default_rng(seed).choice([0.1, 0.9], (28, 28)).astype(np.float32)
    groups = group_by_boxes(*detections(((x, y, x + w, y + h), 0.9, VEHICLE, mask)), 64, 96)
    compared = 0
    for row in range(0, 64, 3):
        for column in range(0, 96, 3):
            u, v = (column + 0.5 - x) / w * 28 - 0.5, (row + 0.5 - y) / h * 28 - 0.5
            if not (0 <= u <= 27 and 0 <= v <= 27):
                continue
            i, j = min(int(v), 26), min(int(u), 26)
            top = mask[i, j] + (u - j) * (mask[i, j + 1] - mask[i, j])
            bottom = mask[i + 1, j] + (u - j) * (mask[i + 1, j + 1] - mask[i + 1, j])
            value = top + (v - i) * (bottom - top)
            # OpenCV samples at thirty-seconds of a pixel.
            if abs(value - 0.5) > 0.1:
                compared += 1
                assert groups.numbers[row, column] == (value > 0.5)
    if min(w, h) >= 30 and x <= 60 and y <= 30:  # ten pixels and more of it are in the image both ways
        assert compared


def test_the_surest_keeps_shared_pixels() -> None:
    found = detections(((10, 10, 40, 40), 0.9, VEHICLE, FULL), ((30, 10, 60, 40), 0.8, PEDESTRIAN, FULL))
    groups = group_by_boxes(*found, 64, 96)
    assert (groups.numbers[10:40, 10:40] == 1).all()
    assert (groups.numbers[10:40, 40:60] == 2).all()
    assert np.allclose(groups.scores, [0.9, 0.8])


def test_one_found_twice_comes_once() -> None:
    found = detections(((10, 10, 40, 40), 0.9, VEHICLE, FULL), ((11, 10, 42, 41), 0.8, VEHICLE, FULL))
    assert group_by_boxes(*found, 64, 96).class_ids.tolist() == [VEHICLE]


def test_unsure_and_empty_ones_are_left_out() -> None:
    nothing = np.zeros((28, 28), np.float32)
    found = detections(
        ((0, 0, 10, 10), 0.9, VEHICLE, nothing), ((20, 20, 30, 30), LEAST_SCORE - 0.01, VEHICLE, FULL)
    )
    groups = group_by_boxes(*found, 64, 96)
    assert not groups.numbers.any()
    assert make_instances(groups, 128, 192)[1] == ()


def test_labels_and_boxes_of_the_frame_fit_the_instances() -> None:
    found = detections(((10, 10, 40, 40), 0.9, PEDESTRIAN, FULL), ((30, 10, 60, 40), 0.8, VEHICLE, FULL))
    instance_map, instances = make_instances(group_by_boxes(*found, 64, 96), 128, 192)
    assert [(one.class_id, one.box) for one in instances] == [
        (VEHICLE, (80, 20, 120, 80)),
        (PEDESTRIAN, (20, 20, 80, 80)),
    ]
    labels = resize_ids(thing_labels(instance_map), 128, 192)
    assert (labels[20:80, 20:80] == PEDESTRIAN).all()
    assert (labels[20:80, 80:120] == VEHICLE).all()
    assert np.count_nonzero(labels != 255) == 60 * 100


def test_the_most_that_a_network_can_find_takes_bounded_time() -> None:
    """64 boxes over the whole of a large input, each leaving a third to those after it."""
    stripes = np.random.default_rng(0).choice([0.0, 1.0], (64, 28, 28)).astype(np.float32)
    boxes = np.tile(np.array([0, 0, 672, 384], np.float32), (64, 1))
    start = time.process_time()
    group_by_boxes(boxes, np.full(64, 0.9, np.float32), np.full(64, VEHICLE, np.uint8), stripes, 384, 672)
    assert time.process_time() - start < 1.0  # a fifth of this on one free core
