"""Borders and watershed: insides that are apart become instances, and share out all pixels."""

import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE
from perception.decode.borders import group_by_borders
from tests.decode.scenes import Thing, perfect_maps, same_partition

VEHICLE, PEDESTRIAN, _ = DRIVE.thing_ids


def iou(mask: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_]) -> float:
    return float((mask & other).sum() / (mask | other).sum())


def test_touching_vehicles_are_separated() -> None:
    maps = perfect_maps([Thing(VEHICLE, 16, 40, 64, 80), Thing(VEHICLE, 64, 40, 112, 80)], 96, 128)
    groups = group_by_borders(maps.labels, maps.borders, DRIVE)
    assert groups.class_ids.tolist() == [VEHICLE, VEHICLE]
    assert np.array_equal(groups.numbers > 0, maps.truth > 0)
    for number in (1, 2):
        best = max(iou(maps.truth == number, groups.numbers == k) for k in (1, 2))
        assert best > 0.9


def test_classes_and_components_stay_apart() -> None:
    things = [Thing(VEHICLE, 0, 0, 48, 40), Thing(PEDESTRIAN, 48, 0, 64, 40), Thing(VEHICLE, 80, 0, 128, 40)]
    maps = perfect_maps(things, 96, 128)
    groups = group_by_borders(maps.labels, maps.borders, DRIVE)
    assert same_partition(groups.numbers, maps.truth)


def test_one_that_is_all_border_is_not_lost() -> None:
    maps = perfect_maps([Thing(VEHICLE, 16, 16, 24, 24), Thing(VEHICLE, 40, 40, 96, 88)], 96, 128)
    groups = group_by_borders(maps.labels, maps.borders, DRIVE)
    assert same_partition(groups.numbers, maps.truth)
    small, large = sorted(groups.scores.tolist())
    assert small == 0
    assert large > 0.4


def test_a_neck_between_two_insides_is_cut() -> None:
    """The border between two is missed in one place; the distance map still separates them."""
    maps = perfect_maps([Thing(VEHICLE, 0, 0, 64, 64), Thing(VEHICLE, 64, 0, 128, 64)], 96, 128)
    maps.borders[0, 6:8, 14:18] = 0
    groups = group_by_borders(maps.labels, maps.borders, DRIVE)
    assert len(groups.class_ids) == 2
