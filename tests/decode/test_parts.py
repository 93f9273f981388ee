"""Parts of one road user become one; two road users stay two."""

import numpy as np
import numpy.typing as npt
import pytest

from perception.classes import DRIVE, ClassSet
from perception.decode.grouping import Groups
from perception.decode.parts import join_parts, ridden
from perception.scene import Instance

PEDESTRIAN, TWO_WHEELER, VEHICLE = (DRIVE.id(name) for name in ("pedestrian", "two_wheeler", "vehicle"))
Box = tuple[int, int, int, int]  # x0, y0, x1, y1


def groups(*found: tuple[int, Box]) -> Groups:
    """Rectangles of classes; later ones are in front of the earlier."""
    numbers = np.zeros((60, 80), np.uint16)
    for number, (_, (x0, y0, x1, y1)) in enumerate(found, start=1):
        numbers[y0:y1, x0:x1] = number
    return Groups(numbers, np.array([class_id for class_id, _ in found]), np.full(len(found), 0.9))


def joined(before: Groups, classes: ClassSet = DRIVE) -> npt.NDArray[np.uint16]:
    after = join_parts(before, classes)
    assert (after.numbers > 0).tolist() == (before.numbers > 0).tolist()  # no pixel comes or goes
    assert after.class_ids is before.class_ids and after.scores is before.scores
    return after.numbers


BICYCLE = (TWO_WHEELER, (20, 30, 50, 50))


@pytest.mark.parametrize(
    ("body", "rides"),
    [
        ((28, 10, 40, 30), True),
        ((28, 10, 40, 45), True),  # legs next to the frame
        ((28, 10, 40, 47), True),
        ((28, 10, 40, 48), False),  # a foot on the ground: somebody in front of it
        ((28, 10, 40, 50), False),
        ((28, 10, 40, 29), False),  # nobody touches it
        ((44, 10, 60, 30), False),  # next to it: three eighths of the width over it
        ((40, 10, 56, 30), True),  # ten of sixteen
        ((28, 30, 40, 40), False),  # no higher than the two-wheeler, and open at its top
        ((51, 10, 60, 50), False),
    ],
)
def test_a_rider_and_the_two_wheeler_are_one(body: Box, rides: bool) -> None:
    numbers = joined(groups(BICYCLE, (PEDESTRIAN, body)))
    assert set(np.unique(numbers).tolist()) == ({0, 1} if rides else {0, 1, 2})


def test_a_rider_sits_on_the_two_wheeler_with_most_contact() -> None:
    other = (TWO_WHEELER, (36, 32, 70, 52))
    numbers = joined(groups(BICYCLE, other, (PEDESTRIAN, (34, 10, 46, 32))))
    assert numbers[15, 35] == 2


def test_two_riders_on_one_two_wheeler_are_one_with_it() -> None:
    numbers = joined(groups(BICYCLE, (PEDESTRIAN, (22, 10, 32, 30)), (PEDESTRIAN, (34, 10, 44, 30))))
    assert set(np.unique(numbers).tolist()) == {0, 1}


@pytest.mark.parametrize("others", [VEHICLE, PEDESTRIAN])
def test_who_sits_on_nothing_stays(others: int) -> None:
    numbers = joined(groups((others, BICYCLE[1]), (PEDESTRIAN, (28, 10, 40, 30))))
    assert set(np.unique(numbers).tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("outer", "part", "box", "one"),
    [
        (VEHICLE, VEHICLE, (30, 20, 40, 30), True),  # a piece in the middle of a bus
        (VEHICLE, PEDESTRIAN, (30, 20, 40, 30), False),  # somebody on a poster, or in front of it: not known
        (VEHICLE, VEHICLE, (30, 30, 40, 45), False),  # a car in front of a bus ends where the bus ends
        (VEHICLE, VEHICLE, (30, 30, 40, 50), False),  # or below it
        (TWO_WHEELER, PEDESTRIAN, (30, 20, 40, 30), True),
        (PEDESTRIAN, TWO_WHEELER, (30, 20, 40, 30), False),
    ],
)
def test_a_piece_that_another_one_surrounds_is_part_of_it(outer: int, part: int, box: Box, one: bool) -> None:
    numbers = joined(groups((outer, (10, 10, 60, 45)), (part, box)))
    assert set(np.unique(numbers).tolist()) == ({0, 1} if one else {0, 1, 2})


def test_a_piece_with_a_way_out_is_not_surrounded() -> None:
    before = groups((VEHICLE, (10, 10, 60, 45)), (VEHICLE, (30, 20, 40, 30)))
    before.numbers[25:45, 35] = 0
    before.numbers[25:30, 35] = 2
    assert 2 in joined(before)


def test_pieces_in_pieces_are_all_of_the_outermost() -> None:
    boxes = (10, 10, 60, 50), (20, 15, 50, 45), (30, 20, 40, 30)
    numbers = joined(groups(*((VEHICLE, box) for box in boxes)))
    assert set(np.unique(numbers).tolist()) == {0, 1}


def test_in_classes_of_ones_own_nobody_rides() -> None:
    own = ClassSet("own", ("cat", "dog"), ((0, 0, 0), (9, 9, 9)), ("cat", "dog"))
    before = groups((0, BICYCLE[1]), (1, (28, 10, 40, 30)))
    assert join_parts(before, own) is before


def test_a_riders_pixels_are_labelled_as_the_two_wheeler() -> None:
    labels = np.array([[PEDESTRIAN, PEDESTRIAN, TWO_WHEELER, VEHICLE, PEDESTRIAN]], np.uint8)
    number = 1000 * TWO_WHEELER + 1
    ids = np.array([[9999, number, number, number, 0]], np.uint16)
    instances = [
        Instance(9999, PEDESTRIAN, 0.9, (0, 0, 1, 1)),
        Instance(number, TWO_WHEELER, 0.9, (1, 0, 4, 1)),
    ]
    found = ridden(labels, ids, instances, DRIVE)
    assert found.tolist() == [[PEDESTRIAN, TWO_WHEELER, TWO_WHEELER, VEHICLE, PEDESTRIAN]]
    assert labels[0, 1] == PEDESTRIAN  # in a copy
    assert ridden(found, ids, instances, DRIVE) is found
