"""The own car is cut out of everything that a scene says."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.bundle.bundle import Bundle
from perception.classes import DRIVE, UNKNOWN
from perception.ego import EgoMask, cut_ego, fit_ego_mask, read_ego_mask
from perception.errors import ConfigError
from perception.frame import Frame
from perception.interchange.files.records import scene_record
from perception.overlay import EgoCarpet, EgoRegion
from perception.perceiver import Perceiver
from perception.resample import Enlarged, resize_ids
from perception.scene import Instance, KeyPoint
from perception.tracking.lanes import LaneTracker
from tests.media import passing
from tests.overlay.scenes import ROAD, VEHICLE, changed, drawn, lane, scene_of

HEIGHT, WIDTH = 60, 100
MASK = np.zeros((HEIGHT, WIDTH), bool)
MASK[45:, 20:80] = True


def test_nothing_is_left_in_the_mask_and_all_is_outside() -> None:
    own, ahead, far = (25, 43, 75, 60), (40, 30, 50, 50), (5, 5, 15, 15)
    scene = scene_of(
        HEIGHT,
        WIDTH,
        (own, ahead, far),
        lanes=(
            lane(*[(30, y) for y in range(59, 20, -1)], side="left"),
            lane(*[(50, y) for y in range(59, 43, -1)]),
            lane((90, 59), (60, 20)),
        ),
        depth=np.full((HEIGHT, WIDTH), 7.0, np.float32),
        key_points=(KeyPoint("head", 50.0, 50.0, 1.0), KeyPoint("head", 10.0, 50.0, 1.0)),
    )
    cut = cut_ego(scene, EgoMask(MASK))
    assert cut.ego_mask is MASK
    assert (cut.labels[MASK] == UNKNOWN).all()
    np.testing.assert_array_equal(cut.labels[~MASK], scene.labels[~MASK])
    # The own car has a rim of two rows outside: none of it is left. The car ahead loses its lower end.
    assert [one.id for one in cut.instances] == [VEHICLE * 1000 + 2, VEHICLE * 1000 + 3]
    assert [one.box for one in cut.instances] == [(40, 30, 50, 45), far]
    assert set(np.unique(cut.instance_map)) == {0, VEHICLE * 1000 + 2, VEHICLE * 1000 + 3}
    assert not cut.instance_map[MASK].any()
    assert (cut.instance_map == VEHICLE * 1000 + 2).sum() == 150
    assert [each.side for each in cut.lanes] == ["left", None]
    for each in cut.lanes:
        columns, rows = np.rint(each.points).astype(int).T
        assert not MASK[rows.clip(0, 59), columns.clip(0, 99)].any()
    np.testing.assert_array_equal(cut.lanes[1].points, scene.lanes[2].points)
    assert cut.depth is not None and set(np.unique(cut.depth[MASK])) == {0}
    assert (cut.depth[~MASK] == 7).all()
    assert [one.x for one in cut.key_points] == [10.0]


def test_what_touches_no_mask_stays_as_it_is() -> None:
    scene = scene_of(HEIGHT, WIDTH, ((5, 5, 15, 15),), lanes=(lane((90, 59), (60, 20)),))
    cut = cut_ego(scene, EgoMask(MASK))
    assert cut.instances == scene.instances
    np.testing.assert_array_equal(cut.instance_map, scene.instance_map)


def test_an_instance_is_the_own_car_with_less_than_half_of_it_outside() -> None:
    for rows, kept in ((14, 0), (15, 1)):
        scene = scene_of(HEIGHT, WIDTH, ((30, 45 - rows, 40, 60),))
        assert len(cut_ego(scene, EgoMask(MASK)).instances) == kept


@given(
    size=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    shrink=st.tuples(st.floats(0.1, 1), st.floats(0.1, 1)),
    corners=st.lists(st.integers(0, 40), min_size=4, max_size=4),
    seed=st.integers(0, 1000),
)
def test_maps_are_cut_alike_before_they_are_enlarged(
    size: tuple[int, int], shrink: tuple[float, float], corners: list[int], seed: int
) -> None:
    """And none is enlarged for it."""
    rng = np.random.default_rng(seed)
    small = tuple(max(1, round(side * share)) for side, share in zip(size, shrink, strict=True))
    labels = rng.integers(0, 5, small).astype(np.uint8)
    ids = (VEHICLE * 1000 + rng.integers(0, 4, small)).astype(np.uint16) * (labels > 1)
    whole = resize_ids(ids, *size)
    instances = tuple(found(whole, number) for number in np.unique(whole[whole > 0]).tolist())
    scene = replace(scene_of(*size), instances=instances)
    coarse = scene.evolve(labels=Enlarged(labels, *size), instance_map=Enlarged(ids, *size))
    mask = np.zeros(size, bool)
    mask[slice(*sorted(corners[:2])), slice(*sorted(corners[2:]))] = True
    cut = cut_ego(coarse, EgoMask(mask))
    assert cut.coarse_labels.shape == cut.coarse_instance_map.shape == small
    expected = [
        (one.id, *found(np.where(mask, 0, whole), one.id).box)
        for one in instances
        if 2 * (whole[~mask] == one.id).sum() >= (whole == one.id).sum()
    ]
    assert [(one.id, *one.box) for one in cut.instances] == expected
    left = np.isin(whole, [number for number, *_ in expected]) & ~mask
    np.testing.assert_array_equal(cut.instance_map, np.where(left, whole, 0))
    np.testing.assert_array_equal(cut.labels, np.where(mask, UNKNOWN, resize_ids(labels, *size)))
    # What lies in it wholly is gone before, so that who looks at the small maps does not see the own car.
    inside = resize_ids(np.arange(labels.size, dtype=np.uint16).reshape(small), *size)
    hidden = np.setdiff1d(np.arange(labels.size), inside[~mask])
    assert set(cut.coarse_labels.ravel()[hidden]) <= {UNKNOWN}
    # Labels that are steadied are cut as well, though the scene's have been enlarged by then.
    again = cut.relabelled(np.zeros_like(labels))
    np.testing.assert_array_equal(again.labels, np.where(mask, UNKNOWN, 0))


def found(instance_map: npt.NDArray[np.uint16], number: int) -> Instance:
    """That instance, with the box of its pixels."""
    x, y, width, height = cv2.boundingRect((instance_map == number).astype(np.uint8))
    return Instance(number, number // 1000, 0.9, (x, y, x + width, y + height))


def test_tracked_lanes_stay_outside() -> None:
    tracker = LaneTracker(DRIVE)
    for k in range(5):
        found = scene_of(HEIGHT, WIDTH, lanes=(lane(*[(30, y) for y in range(59, 20, -1)]),))
        given = replace(found, sequence=k, stamp_ns=k * 40_000_000, ego_mask=None)
        free = tracker.update(given)
    assert MASK[np.rint(free.lanes[0].points[:, 1]).astype(int), 33].any()  # without a mask it goes on there
    [kept] = tracker.update(replace(given, stamp_ns=200_000_000, ego_mask=MASK)).lanes
    columns, rows = np.rint(kept.points).astype(int).T
    assert not MASK[rows, columns].any() and len(rows) > 2


def test_the_overlay_shows_it_in_grey() -> None:
    scene = scene_of(HEIGHT, WIDTH)
    assert (drawn(scene, EgoRegion()) == 100).all()
    picture = drawn(replace(scene, ego_mask=MASK), EgoRegion(colour=(200, 200, 200)))
    assert (picture[MASK] == 150).all() and (picture[~MASK] == 100).all()


def test_the_carpet_ends_at_it() -> None:
    left, right = lane((30, 59), (40, 10), side="left"), lane((70, 59), (60, 10), side="right")
    scene = scene_of(HEIGHT, WIDTH, lanes=(left, right))
    free, cut = (changed(drawn(one, EgoCarpet())) for one in (scene, replace(scene, ego_mask=MASK)))
    assert free[MASK].any()
    np.testing.assert_array_equal(cut, free & ~MASK)


def test_its_share_stands_in_the_record_only_where_one_is_in_force() -> None:
    scene = scene_of(HEIGHT, WIDTH)
    assert "ego_mask" not in scene_record(scene, DRIVE)
    assert scene_record(cut_ego(scene, EgoMask(MASK)), DRIVE)["ego_mask"] == 0.15


def test_a_mask_of_another_size_is_fitted_and_one_of_another_aspect_refused() -> None:
    large = fit_ego_mask(MASK, 120, 200).full
    np.testing.assert_array_equal(large, MASK.repeat(2, 0).repeat(2, 1))
    assert fit_ego_mask(MASK, 59, 98).full.shape == (59, 98)
    with pytest.raises(ConfigError, match="is 100×60, the frame 100×75; give one of the frame's aspect"):
        fit_ego_mask(MASK, 75, 100)


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("value", [1, 255])
def test_any_picture_that_is_not_black_marks_it(tmp_path: Path, channels: int, value: int) -> None:
    image = np.zeros((HEIGHT, WIDTH, channels), np.uint8)
    image[MASK, 0] = value
    image[..., 3:] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), image)
    np.testing.assert_array_equal(read_ego_mask(tmp_path / "mask.png"), MASK)


def test_pictures_that_are_no_masks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.png: no such file"):
        read_ego_mask(tmp_path / "none.png")
    for value, share in ((0, 0), (255, 100)):
        cv2.imwrite(str(tmp_path / "mask.png"), np.full((9, 16), value, np.uint8))
        with pytest.raises(ConfigError, match=f"marks {share} % of the picture .* at most 60 %"):
            read_ego_mask(tmp_path / "mask.png")


def test_a_perceiver_detects_nothing_in_it(colour_bundle: Bundle) -> None:
    perceiver, frame = Perceiver.load(colour_bundle.folder, "onnx-cpu"), Frame(passing(4, 96, 160), 0)
    mask = np.zeros((48, 80), bool)  # half the frame's size
    mask[:, 10:40] = True
    free, cut = perceiver.perceive(frame), replace(perceiver, ego_mask=mask).perceive(frame)
    inside = mask.repeat(2, 0).repeat(2, 1)
    assert free.ego_mask is None and free.instances
    assert (cut.labels[inside] == UNKNOWN).all() and ROAD in cut.labels
    np.testing.assert_array_equal(cut.labels[~inside], free.labels[~inside])
    assert not cut.instance_map[inside].any()
