"""Centres and offsets: those that touch are separated, and what has no centre is not lost."""

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.classes import DRIVE
from perception.decode.centres import FEW, UNLED, group_by_centres
from perception.decode.grouping import MOST, Groups, make_instances
from tests.decode.scenes import STRIDE, Maps, Thing, perfect_maps, same_partition

VEHICLE, PEDESTRIAN, TWO_WHEELER = DRIVE.thing_ids
ROAD = DRIVE.id("road")


def group(maps: Maps, noise: float = 0.0) -> Groups:
    """With noise, in pixels, on the offsets."""
    astray = np.random.default_rng(0).normal(0, 1, maps.offsets.shape).astype(np.float32)
    return group_by_centres(
        maps.labels, maps.centres, maps.offsets + noise * astray, maps.borders, DRIVE, STRIDE
    )


def test_touching_vehicles_are_separated() -> None:
    maps = perfect_maps([Thing(VEHICLE, 16, 40, 64, 80), Thing(VEHICLE, 64, 40, 112, 80)], 96, 128)
    groups = group(maps)
    assert same_partition(groups.numbers, maps.truth)
    assert groups.class_ids.tolist() == [VEHICLE, VEHICLE]
    assert groups.scores == pytest.approx([math.sqrt(120 / (120 + FEW))] * 2, abs=0.05)


def test_one_that_a_pole_cuts_in_two_stays_one() -> None:
    maps = perfect_maps([Thing(VEHICLE, 16, 40, 112, 80)], 96, 128)
    maps.labels[:, 60:64] = DRIVE.id("pole")
    _, instances = make_instances(group(maps), 96, 128)
    assert [one.box for one in instances] == [(16, 40, 112, 80)]


def test_a_pedestrian_before_a_vehicle_votes_only_for_pedestrians() -> None:
    """Its own centre is missing, and that of the vehicle lies on it."""
    maps = perfect_maps([Thing(VEHICLE, 16, 16, 112, 80), Thing(PEDESTRIAN, 56, 32, 72, 80)], 96, 128)
    maps.centres[1] = 0
    groups = group(maps)
    assert same_partition(groups.numbers, maps.truth)
    assert groups.scores[groups.class_ids == PEDESTRIAN] == pytest.approx(
        [math.sqrt(UNLED * 48 / (48 + FEW))]
    )


def test_votes_that_miss_every_centre_become_instances_of_low_score() -> None:
    maps = perfect_maps([Thing(VEHICLE, 0, 40, 48, 80), Thing(VEHICLE, 80, 40, 128, 80)], 96, 128)
    maps.centres[0][:, 16:] = 0
    groups = group(maps)
    assert same_partition(groups.numbers, maps.truth)
    assert groups.scores.tolist() == pytest.approx(
        [math.sqrt(p * 120 / (120 + FEW)) for p in (1, UNLED)], abs=0.05
    )


def test_of_two_peaks_with_no_border_between_them_the_higher_stands() -> None:
    """The network is unsure where the middle of a tall one is: its halves differ by 16 px."""
    maps = perfect_maps([Thing(PEDESTRIAN, 40, 8, 64, 88)], 96, 128)
    maps.centres[1] = 0
    maps.centres[1][10, 12], maps.centres[1][14, 12] = 0.6, 0.5
    row = np.arange(24)[:, None]
    maps.offsets[1] = np.where(row < 12, 40.0, 56.0) - 4 * row
    for border, count in ((0.0, 1), (0.45, 1), (0.55, 2), (1.0, 2)):
        maps.borders[0, 12] = border
        assert len(group(maps).class_ids) == count, border


def test_score_falls_where_votes_scatter() -> None:
    maps = perfect_maps([Thing(VEHICLE, 16, 16, 112, 80)], 96, 128)
    assert group(maps, noise=12).scores[0] < 0.8 * group(maps).scores[0]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(*[st.integers(0, 20)] * 2, *[st.integers(2, 8)] * 2, st.sampled_from(DRIVE.thing_ids)),
        max_size=8,
    )
)
def test_every_pixel_of_a_thing_is_in_one_group_of_its_class(rectangles: list[tuple[int, ...]]) -> None:
    things = [Thing(c, 4 * x, 4 * y, 4 * (x + w), 4 * (y + h)) for x, y, w, h, c in rectangles]
    maps = perfect_maps(things, 128, 128)
    groups = group(maps)
    of_thing = np.isin(maps.labels, DRIVE.thing_ids)
    assert np.array_equal(groups.numbers > 0, of_thing)
    class_of = np.concatenate([[ROAD], groups.class_ids])
    assert np.array_equal(class_of[groups.numbers][of_thing], maps.labels[of_thing])
    assert np.all((groups.scores >= 0) & (groups.scores <= 1))


def test_a_frame_smaller_than_the_network_s_size() -> None:
    maps = perfect_maps([Thing(VEHICLE, 16, 40, 64, 80), Thing(TWO_WHEELER, 64, 40, 112, 80)], 96, 128)
    instance_map, instances = make_instances(group(maps), 48, 64)
    assert [(one.class_id, one.box) for one in instances] == [
        (VEHICLE, (8, 20, 32, 40)),
        (TWO_WHEELER, (32, 20, 56, 40)),
    ]
    assert instance_map.shape == (48, 64)


def test_a_crowd_is_bounded_in_number_and_in_time() -> None:
    """Noise everywhere: thousands of peaks, and every pixel a vehicle or a pedestrian."""
    rng = np.random.default_rng(0)
    labels = rng.choice(np.array([VEHICLE, PEDESTRIAN], np.uint8), (384, 672))
    centres = rng.random((3, 96, 168)).astype(np.float32)
    offsets = rng.normal(0, 30, (2, 96, 168)).astype(np.float32)
    start = time.perf_counter()
    groups = group_by_centres(
        labels, centres, offsets, rng.random((1, 96, 168)).astype(np.float32), DRIVE, STRIDE
    )
    _, instances = make_instances(groups, 720, 1280)
    assert time.perf_counter() - start < 2  # far above the milliseconds it takes: only a blow-up fails
    assert len(groups.class_ids) <= 2 * MOST * 2
    assert len(instances) <= 2 * MOST
