"""Confusion, IoU of partial labels, and paint F1, against counts made by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from perception.classes import DRIVE
from perception.evaluation.metrics.semantic import Confusion

ROAD, PAINT, CAR, SKY = (DRIVE.id(n) for n in ("road", "lane_marking", "vehicle", "sky"))


def counted(target: list[list[int]], predicted: list[list[int]]) -> Confusion:
    confusion = Confusion()
    confusion.add(np.array(target, np.uint32), np.array(predicted, np.uint8))
    return confusion


def test_iou_by_hand() -> None:
    road, car = DRIVE.bits("road"), DRIVE.bits("vehicle")
    found = counted([[road, road, road, car, car, 0]], [[ROAD, ROAD, CAR, CAR, ROAD, SKY]])
    assert found.iou() == {road: pytest.approx(2 / 4), car: pytest.approx(1 / 3)}
    assert found.mean_iou() == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert found.accuracy() == pytest.approx(3 / 5)
    assert found.mean_accuracy() == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.weighted_iou() == pytest.approx((3 * 2 / 4 + 2 * 1 / 3) / 5)


def test_any_class_of_a_partial_label_is_right() -> None:
    ground, car = DRIVE.bits("road", "lane_marking"), DRIVE.bits("vehicle")
    found = counted([[ground, ground, ground, car]], [[ROAD, PAINT, CAR, PAINT]])
    assert found.iou() == {ground: pytest.approx(2 / 4), car: pytest.approx(0 / 2)}


def test_overlapping_sets_do_not_blame_each_other() -> None:
    rider = DRIVE.bits("pedestrian", "two_wheeler")
    motor = DRIVE.bits("vehicle", "two_wheeler")
    wheel = DRIVE.id("two_wheeler")
    found = counted([[rider, motor]], [[wheel, wheel]])
    assert found.iou() == {rider: 1.0, motor: 1.0}


def test_frames_add_up() -> None:
    a = counted([[1, 2]], [[0, 0]])
    b = counted([[2, 4]], [[1, 0]])
    both = counted([[1, 2, 2, 4]], [[0, 0, 1, 0]])
    total = a + b
    assert {k: v.tolist() for k, v in total.counts.items()} == {k: v.tolist() for k, v in both.counts.items()}


def test_paint_f1_allows_a_shift_within_tolerance_only() -> None:
    target = np.full((64, 960), DRIVE.bits("road"), np.uint32)
    target[:, 400:404] = DRIVE.bits("lane_marking")
    for shift, expected in ((0, 1.0), (4, 1.0), (40, 0.0)):
        predicted = np.full(target.shape, ROAD, np.uint8)
        predicted[:, 400 + shift : 404 + shift] = PAINT
        confusion = Confusion()
        confusion.add(target, predicted)
        assert confusion.lane_f1() == pytest.approx(expected)


def test_paint_f1_is_not_claimed_where_paint_is_not_labelled() -> None:
    assert counted([[DRIVE.bits("road", "lane_marking")]], [[PAINT]]).lane_f1() is None


@given(
    arrays(np.uint32, (6, 7), elements=st.integers(0, (1 << len(DRIVE)) - 1)),
    arrays(np.uint8, (6, 7), elements=st.integers(0, len(DRIVE) - 1)),
)
def test_counts_every_labelled_pixel_once(
    target: np.ndarray[tuple[int, int], np.dtype[np.uint32]],
    predicted: np.ndarray[tuple[int, int], np.dtype[np.uint8]],
) -> None:
    confusion = Confusion()
    confusion.add(target, predicted)
    assert sum(row.sum() for row in confusion.counts.values()) == np.count_nonzero(target)
    assert all(0 <= iou <= 1 for iou in confusion.iou().values())
