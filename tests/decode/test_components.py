import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from perception.classes import DRIVE, ClassSet
from perception.decode.components import group_components
from perception.decode.grouping import LEAST_SHARE, MOST, make_instances
from perception.resample import resize_ids
from perception.scene import Instance

VEHICLE, PEDESTRIAN = DRIVE.id("vehicle"), DRIVE.id("pedestrian")


def find_instances(
    labels: npt.NDArray[np.uint8], classes: ClassSet, height: int, width: int
) -> tuple[npt.NDArray[np.uint16], tuple[Instance, ...]]:
    instance_map, instances = make_instances(group_components(labels, classes), height, width)
    return resize_ids(instance_map, height, width), instances


def flood(labels: npt.NDArray[np.uint8], class_id: int) -> list[set[tuple[int, int]]]:
    """The 8-connected components of a class, in plain Python."""
    left = {(int(y), int(x)) for y, x in np.argwhere(labels == class_id)}
    components = []
    while left:
        component, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            component.add((y, x))
            around = {(y + dy, x + dx) for dy, dx in itertools.product((-1, 0, 1), repeat=2)} & left
            left -= around
            edge.extend(around)
        components.append(component)
    return components


maps = st_np.arrays(
    np.uint8, st.tuples(st.integers(1, 20), st.integers(1, 20)), elements=st.sampled_from([3, 8, 9, 10, 255])
)


@given(maps)
def test_instances_are_the_connected_components_of_things(labels: npt.NDArray[np.uint8]) -> None:
    instance_map, instances = find_instances(labels, DRIVE, *labels.shape)
    found = [{(int(y), int(x)) for y, x in np.argwhere(instance_map == one.id)} for one in instances]
    wanted = [component for class_id in DRIVE.thing_ids for component in flood(labels, class_id)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, wanted))
    assert [one.id for one in instances] == sorted(one.id for one in instances)
    for class_id in DRIVE.thing_ids:
        own = [one for one in instances if one.class_id == class_id]
        assert [one.id for one in own] == [class_id * 1000 + k for k in range(1, len(own) + 1)]
        assert [one.score for one in own] == sorted((one.score for one in own), reverse=True)


@given(maps, st.integers(0, 50), st.integers(0, 50))
def test_boxes_fit_the_masks_at_the_frames_size(
    labels: npt.NDArray[np.uint8], more_h: int, more_w: int
) -> None:
    height, width = labels.shape[0] + more_h, labels.shape[1] + more_w
    instance_map, instances = find_instances(labels, DRIVE, height, width)
    assert instance_map.shape == (height, width)
    assert instance_map.dtype == np.uint16
    assert set(np.unique(instance_map)) - {0} == {one.id for one in instances}
    frame_labels = resize_ids(labels, height, width)
    for one in instances:
        ys, xs = np.nonzero(instance_map == one.id)
        assert one.box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert set(frame_labels[ys, xs]) == {one.class_id}
        assert 0.5 <= one.score < 1


def test_specks_are_left_out() -> None:
    labels = np.full((400, 500), 3, np.uint8)
    least = int(LEAST_SHARE * labels.size)
    labels[10, 10 : 10 + least - 1] = VEHICLE
    labels[20, 10 : 10 + least] = VEHICLE
    instance_map, instances = find_instances(labels, DRIVE, *labels.shape)
    assert [one.box for one in instances] == [(10, 20, 10 + least, 21)]
    assert instances[0].score == pytest.approx(0.5)
    assert not instance_map[10].any()


def test_of_too_many_the_largest_are_kept() -> None:
    labels = np.full((200, 1000), 3, np.uint8)
    for row, column in itertools.product(range(0, 180, 20), range(0, 1000, 20)):
        labels[row : row + 10, column : column + 10] = PEDESTRIAN
    labels[180:195, 500:515] = PEDESTRIAN
    _, instances = find_instances(labels, DRIVE, *labels.shape)
    assert len(instances) == MOST
    assert instances[0].box == (500, 180, 515, 195)


def test_more_components_than_16_bits_count() -> None:
    labels = np.full((600, 600), 3, np.uint8)
    labels[::2, ::2] = VEHICLE
    labels[100:140, 100:140] = VEHICLE
    _, instances = find_instances(labels, DRIVE, *labels.shape)
    assert len(instances) == 1
    assert instances[0].box == (100, 100, 141, 141)


def test_the_most_components_that_16_bits_are_trusted_with() -> None:
    labels = np.full((511, 511), 3, np.uint8)  # 256 × 256 dots are 2^16
    labels[::2, ::2] = VEHICLE
    assert find_instances(labels, DRIVE, *labels.shape)[1] == ()
