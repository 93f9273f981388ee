"""The one rule of freshness: what a scene is worth at a time."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from copy import copy, deepcopy
from dataclasses import FrozenInstanceError, replace
from unittest.mock import Mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.frame import Frame
from perception.resample import Enlarged, resize_ids
from perception.scene import Instance, KeyPoint, Lane, Scene, Signal, Status, unknown_scene

MS = 1_000_000
CAPTURED = 5_000 * MS
FRAME = Frame(np.zeros((4, 6, 3), np.uint8), 7, sequence=3, host_ns=CAPTURED)
SCENE = Scene.of(
    FRAME,
    np.full((4, 6), 3, np.uint8),
    np.full((4, 6), 8001, np.uint16),
    instances=(Instance(8001, 8, 0.9, (0, 0, 6, 4)),),
    lanes=(Lane(np.zeros((2, 2), np.float32), "solid", 1.0),),
    picture=FRAME.image,
    depth=np.ones((4, 6), np.float32),
    key_points=(KeyPoint("left_hand", 1, 2, 0.5),),
    latent=np.ones(3, np.float32),
    max_age_ms=250.0,
)


def is_empty(scene: Scene) -> bool:
    maps = scene.picture, scene.depth, scene.latent
    found = scene.instances, scene.lanes, scene.key_points
    unknown = bool((scene.labels == 255).all() and not scene.instance_map.any())
    return unknown and not any(found) and maps == (None, None, None)


@pytest.mark.parametrize(
    ("age_ms", "signal", "reasons", "status"),
    [
        (0, Signal.OK, (), Status.OK),
        (250, Signal.OK, (), Status.OK),
        (251, Signal.OK, (), Status.STALE),
        (100, Signal.STALE, (), Status.OK),  # the next frame is late: that makes this one no older
        (100, Signal.OK, ("black",), Status.UNRELIABLE),
        (251, Signal.OK, ("black",), Status.STALE),
        (100, Signal.NO_SIGNAL, (), Status.NO_SIGNAL),
        (9999, Signal.NO_SIGNAL, ("black",), Status.NO_SIGNAL),
    ],
)
def test_status(age_ms: int, signal: Signal, reasons: tuple[str, ...], status: Status) -> None:
    scene = replace(SCENE, reasons=reasons).as_of(CAPTURED + age_ms * MS, signal)
    assert (scene.status, scene.age_ms, scene.reasons) == (status, age_ms, reasons)
    assert is_empty(scene) is (status is Status.NO_SIGNAL)
    assert (scene.sequence, scene.stamp_ns, scene.host_ns) == (3, 7, CAPTURED)


def test_a_scene_of_a_recording_is_never_stale() -> None:
    assert replace(SCENE, max_age_ms=None).as_of(CAPTURED + 10**6 * MS).status is Status.OK


def test_what_was_not_perceived_stays_unknown_however_old() -> None:
    scene = replace(unknown_scene(FRAME, Status.NOT_READY), max_age_ms=250.0).as_of(CAPTURED + 999 * MS)
    assert (scene.status, scene.age_ms) == (Status.NOT_READY, 999)
    assert is_empty(scene)


def test_a_scene_without_signal_does_not_come_back() -> None:
    """What was emptied has nothing to show, whatever the camera does afterwards."""
    scene = SCENE.as_of(CAPTURED, Signal.NO_SIGNAL).as_of(CAPTURED + MS, Signal.OK)
    assert scene.status is Status.NO_SIGNAL


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=5))
def test_how_often_it_was_judged_before_changes_nothing(ages_ms: list[int]) -> None:
    scene = SCENE
    for age_ms in ages_ms:
        scene = scene.as_of(CAPTURED + age_ms * MS)
    direct = SCENE.as_of(CAPTURED + ages_ms[-1] * MS)
    assert (scene.status, scene.age_ms) == (direct.status, direct.age_ms)


SMALL = np.array([[1, 2, 3], [4, 5, 6]], np.uint8)
IDS = np.array([[8001, 0, 0], [8001, 9001, 0]], np.uint16)


def lazy() -> Scene:
    return Scene.of(FRAME, Enlarged(SMALL, 4, 6), Enlarged(IDS, 4, 6), instances=SCENE.instances)


def test_maps_are_enlarged_once_and_only_for_who_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    enlarged = Mock(side_effect=resize_ids)
    monkeypatch.setattr("perception.resample.resize_ids", enlarged)
    scene = lazy()
    later = scene.evolve(timings_ms={"infer": 1.0}).as_of(CAPTURED + MS)
    assert later.unknown(Status.STALE).labels.shape == scene.size == later.size == (4, 6)
    enlarged.assert_not_called()
    assert later.labels is scene.labels is later.labels
    enlarged.assert_called_once()
    assert scene.instance_map is replace(later, status=Status.STALE).instance_map
    assert enlarged.call_count == 2


def test_enlarged_maps_are_those_of_the_frame() -> None:
    np.testing.assert_array_equal(lazy().labels, resize_ids(SMALL, 4, 6))
    np.testing.assert_array_equal(lazy().instance_map, resize_ids(IDS, 4, 6))
    assert (lazy().labels.dtype.name, lazy().instance_map.dtype.name) == ("uint8", "uint16")
    assert SMALL.shape == (2, 3)


def test_other_attributes_leave_all_else_as_it_is() -> None:
    scene = SCENE.evolve(reasons=("black",))
    assert scene == replace(SCENE, reasons=("black",))
    assert scene != SCENE
    own = np.zeros((4, 6), np.uint8)
    assert lazy().evolve(labels=own).labels is own
    with pytest.raises(TypeError, match="colour"):
        SCENE.evolve(colour=1)


def test_a_scene_cannot_be_changed_or_made_without_its_maps() -> None:
    for name in ("labels", "instance_map", "age_ms"):
        with pytest.raises(FrozenInstanceError):
            setattr(lazy(), name, SMALL)
    with pytest.raises(TypeError, match="'labels' and 'instance_map'"):
        Scene(0, 0, 0, "", "")


@pytest.mark.parametrize("read_before", [False, True])
def test_scenes_are_pickled_and_copied(read_before: bool) -> None:
    scene = lazy()
    if read_before:
        assert scene.labels.size == 24
    for again in (pickle.loads(pickle.dumps(scene)), copy(scene), deepcopy(scene)):
        np.testing.assert_array_equal(again.labels, scene.labels)
        np.testing.assert_array_equal(again.instance_map, scene.instance_map)
        assert (again.instances, again.size, again.sequence) == (scene.instances, (4, 6), 3)


@pytest.mark.parametrize("enlarged", [False, True])
def test_only_some_of_its_instances(enlarged: bool) -> None:
    first, other = SCENE.instances[0], Instance(9001, 9, 0.5, (2, 2, 4, 4))
    scene = lazy().evolve(instances=(first, other))
    if not enlarged:
        scene = scene.evolve(instance_map=scene.instance_map)
    moved = replace(first, box=(0.0, 0.0, 1.0, 1.0))
    left = scene.only([moved])
    assert left.instances == (moved,)
    np.testing.assert_array_equal(left.instance_map, np.where(scene.instance_map == first.id, first.id, 0))
    np.testing.assert_array_equal(scene.only(scene.instances).instance_map, scene.instance_map)


def test_several_threads_may_read_the_maps() -> None:
    small = np.random.default_rng(0).integers(0, 12, (180, 320), dtype=np.uint8)
    expected = resize_ids(small, 720, 1280)
    with ThreadPoolExecutor(8) as threads:
        for _ in range(5):
            scene = Scene.of(FRAME, Enlarged(small, 720, 1280), Enlarged(IDS, 720, 1280))
            for labels in threads.map(lambda _, scene=scene: scene.labels, range(8)):
                np.testing.assert_array_equal(labels, expected)
