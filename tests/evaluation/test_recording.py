"""Scenes that come back from the folder sink's files."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.classes import DRIVE
from perception.errors import DataError
from perception.evaluation.recording import RecordedScenes
from perception.frame import Frame
from perception.scene import Instance, Lane, Road, Scene
from perception.sinks.folder import FolderSink

FRAME = Frame(np.zeros((20, 30, 3), np.uint8), 0, stem="street")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sink = FolderSink(tmp_path / "found", DRIVE)
    sink.write(FRAME, a_scene(), FRAME.image)
    sink.close()
    return tmp_path / "found"


def a_scene() -> Scene:
    instance_map = np.zeros((20, 30), np.uint16)
    instance_map[3:8, 4:14] = 8001
    instance_map[10:, 20:22] = 9001
    labels = np.where(instance_map > 0, instance_map // 1000, 3).astype(np.uint8)
    instances = (
        Instance(8001, 8, 0.875, (4, 3, 14, 8), 7, 12.5, 0.5, -1.5, 0.25, 3.5, 0.75),
        Instance(9001, 9, 0.5, (20, 10, 22, 20)),
    )
    lanes = (Lane(np.array([[3, 19], [12.5, 8]], np.float32), "dashed", 0.75, "left"),)
    road = Road(0.125, 0.01, 3.5, 0.02, 0.015625, 0.001, None, None, 0.05, 0.002)
    return Scene(0, 0, 0, "street", "front", labels, instance_map, instances, lanes, road)


def test_a_scene_comes_back_as_it_was_written(folder: Path) -> None:
    scene, wanted = RecordedScenes(folder).perceive(FRAME), a_scene()
    np.testing.assert_array_equal(scene.labels, wanted.labels)
    np.testing.assert_array_equal(scene.instance_map, wanted.instance_map)
    assert [str(m.dtype) for m in (scene.labels, scene.instance_map)] == ["uint8", "uint16"]
    assert (scene.instances, scene.road) == (wanted.instances, wanted.road)
    np.testing.assert_array_equal(scene.lanes[0].points, wanted.lanes[0].points)
    assert (scene.lanes[0].kind, scene.lanes[0].side) == ("dashed", "left")


def test_a_frame_without_a_scene_is_named(folder: Path) -> None:
    with pytest.raises(DataError, match=r"no line with the stem other"):
        RecordedScenes(folder).perceive(Frame(FRAME.image, 0, stem="other"))


def test_a_map_of_another_size_is_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"street\.labels\.png: uint8 \(20, 30\), expected uint8 \(40, 60\)"):
        RecordedScenes(folder).perceive(Frame(np.zeros((40, 60, 3), np.uint8), 0, stem="street"))


def test_a_missing_map_is_named(folder: Path) -> None:
    (folder / "street.instances.png").unlink()
    with pytest.raises(DataError, match=r"street\.instances\.png: missing"):
        RecordedScenes(folder).perceive(FRAME)


def test_maps_and_lines_of_two_runs_are_told_apart(folder: Path) -> None:
    other = a_scene().instance_map
    other[other == 9001] = 0
    cv2.imwrite(str(folder / "street.instances.png"), other)
    with pytest.raises(DataError, match=r"lists other instances than it shows \(9001"):
        RecordedScenes(folder).perceive(FRAME)


def test_an_instance_of_a_class_that_has_none_is_refused(folder: Path) -> None:
    path = folder / "scenes.jsonl"
    line = json.loads(path.read_text())
    line["instances"][0]["class_id"] = 3
    path.write_text(json.dumps(line))
    with pytest.raises(DataError, match="its classes are not those of drive: 3 is vehicle"):
        RecordedScenes(folder).perceive(FRAME)


@pytest.mark.parametrize("content", [None, "{}", "no json", "\xff"])
def test_a_folder_that_no_run_wrote_is_refused(folder: Path, content: str | None) -> None:
    path = folder / "scenes.jsonl"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(
        DataError, match=r"(scenes\.jsonl: not the scenes of a|: no) folder that perception run wrote"
    ):
        RecordedScenes(folder)
