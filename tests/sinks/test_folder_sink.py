import json
import resource
from pathlib import Path

import cv2
import numpy as np
import pytest
from media import picture

from perception.classes import DRIVE
from perception.errors import ConfigError, SinkError
from perception.sinks import open_sink


def write(folder, scenes):
    sink = open_sink(f"{folder}/", 25.0, DRIVE)
    for frame, scene in scenes:
        sink.write(frame, scene, frame.image)
    sink.close()
    sink.close()  # changes nothing


def test_files_hold_what_the_scene_holds(tmp_path, make_scene):
    folder = tmp_path / "deep" / "labels"
    scenes = [make_scene(0), make_scene(1, stem="0016E5_01"), make_scene(2, 17, 31)]
    write(folder, scenes)
    stems = ["000000", "0016E5_01", "000002"]
    expected = {f"{stem}.{kind}" for stem in stems for kind in ("labels.png", "instances.png", "overlay.jpg")}
    assert {path.name for path in folder.iterdir()} == expected | {"scenes.jsonl"}

    for stem, (frame, scene) in zip(stems, scenes, strict=True):
        labels = cv2.imread(str(folder / f"{stem}.labels.png"), cv2.IMREAD_UNCHANGED)
        instances = cv2.imread(str(folder / f"{stem}.instances.png"), cv2.IMREAD_UNCHANGED)
        overlay = cv2.imread(str(folder / f"{stem}.overlay.jpg"))
        assert (labels.dtype, instances.dtype) == (np.uint8, np.uint16)
        np.testing.assert_array_equal(labels, scene.labels)
        np.testing.assert_array_equal(instances, scene.instance_map)
        assert overlay.shape == frame.image.shape
        assert np.abs(overlay.astype(int) - frame.image).mean() < 20  # bands of 3 px blur

    lines = [json.loads(line) for line in (folder / "scenes.jsonl").read_text().splitlines()]
    assert [line["sequence"] for line in lines] == [0, 1, 2]
    assert lines[1] == {
        "sequence": 1,
        "stem": "0016E5_01",
        "camera": "front",
        "stamp_ns": 40_000_000,
        "wall_ns": 0,
        "age_ms": 12.346,
        "status": "ok",
        "instances": [
            {
                "id": 8001,
                "class_id": 8,
                "class": "vehicle",
                "score": 0.9,
                "box": [3.0, 4.0, 10.5, 20.0],
                "track": None,
            }
        ],
        "lanes": [
            {"kind": "dashed", "side": "left", "confidence": 0.75, "points": [[1.0, 90.0], [50.25, 40.0]]}
        ],
        "timings_ms": {"infer": 4.5},
    }


def test_a_folder_is_reused_and_its_lines_start_anew(tmp_path, make_scene):
    (tmp_path / "mine.txt").write_text("stays")
    write(tmp_path, [make_scene(0), make_scene(1)])
    write(tmp_path, [make_scene(5)])
    assert (tmp_path / "mine.txt").read_text() == "stays"
    assert (tmp_path / "000000.labels.png").exists()
    assert [json.loads(line)["sequence"] for line in (tmp_path / "scenes.jsonl").open()] == [5]


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="file/labels cannot be written"):
        open_sink(f"{tmp_path}/file/labels/", 25.0, DRIVE)


@pytest.mark.parametrize("victim", ["000001.labels.png", "000001.overlay.jpg", "scenes.jsonl"])
def test_a_full_disk_names_the_file_and_leaves_what_was_whole(tmp_path, make_scene, victim):
    (tmp_path / victim).symlink_to("/dev/full")
    sink = open_sink(f"{tmp_path}/", 25.0, DRIVE)
    with pytest.raises(SinkError, match=rf"{victim} cannot be written \(No space left on device\)"):
        for sequence in range(2):
            frame, scene = make_scene(sequence)
            sink.write(frame, scene, picture(sequence))
    sink.close()
    assert cv2.imread(str(tmp_path / "000000.labels.png"), cv2.IMREAD_UNCHANGED) is not None
    if victim != "scenes.jsonl":
        assert not (tmp_path / victim).exists()
        assert [json.loads(line)["sequence"] for line in (tmp_path / "scenes.jsonl").open()] == [0]


def test_a_line_that_does_not_fit_is_taken_back(tmp_path, make_scene):
    """A disk that takes half of a line and then no more."""
    sink = open_sink(f"{tmp_path}/", 25.0, DRIVE)
    frame, scene = make_scene(0)
    sink.write(frame, scene, frame.image)
    whole = (tmp_path / "scenes.jsonl").read_bytes()

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 50, before[1]))
        with pytest.raises(SinkError, match="File too large"):
            sink._write_line(b"x" * 100 + b"\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    sink.close()
    assert (tmp_path / "scenes.jsonl").read_bytes() == whole


def test_unknown_kinds_are_refused():
    with pytest.raises(ConfigError, match=r"out\.gif: unknown kind \.gif.*out\.mp4"):
        open_sink("out.gif", 25.0, DRIVE)
    assert not Path("out.gif").exists()
