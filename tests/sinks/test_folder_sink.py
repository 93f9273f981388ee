import errno
import json
import resource
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import cv2
import numpy as np
import pytest

from perception.classes import DRIVE
from perception.errors import ConfigError, SinkError
from perception.frame import Frame
from perception.scene import KeyPoint, Scene
from perception.sinks.folder import FolderSink
from perception.sinks.registry import open_sink
from tests.media import picture, read_image
from tests.sinks.conftest import MakeScene


def write(folder: Path, scenes: list[tuple[Frame, Scene]]) -> None:
    sink = open_sink(f"{folder}/", 25.0, DRIVE)
    for frame, scene in scenes:
        sink.write(frame, scene, frame.image)
    sink.close()
    sink.close()  # changes nothing


def test_files_hold_what_the_scene_holds(tmp_path: Path, make_scene: MakeScene) -> None:
    folder = tmp_path / "deep" / "labels"
    scenes = [make_scene(0), make_scene(1, stem="0016E5_01"), make_scene(2, 17, 31)]
    write(folder, scenes)
    stems = ["000000", "0016E5_01", "000002"]
    expected = {f"{stem}.{kind}" for stem in stems for kind in ("labels.png", "instances.png", "overlay.jpg")}
    assert {path.name for path in folder.iterdir()} == expected | {"scenes.jsonl"}

    for stem, (frame, scene) in zip(stems, scenes, strict=True):
        labels = read_image(folder / f"{stem}.labels.png")
        instances = read_image(folder / f"{stem}.instances.png")
        overlay = read_image(folder / f"{stem}.overlay.jpg")
        assert labels.dtype == np.uint8
        assert instances.dtype == np.uint16
        np.testing.assert_array_equal(labels, scene.labels)
        np.testing.assert_array_equal(instances, scene.instance_map)
        assert overlay.shape == frame.image.shape
        assert np.abs(overlay.astype(int) - frame.image).mean() < 20  # bands of 3 px blur

    lines = [json.loads(line) for line in (folder / "scenes.jsonl").read_text().splitlines()]
    assert [line["sequence"] for line in lines] == [0, 1, 2]
    assert [line["stem"] for line in lines] == stems
    assert lines[1] == {
        "version": 1,
        "sequence": 1,
        "stem": "0016E5_01",
        "camera": "front",
        "class_set": "drive",
        "stamp_ns": 40_000_000,
        "wall_ns": 0,
        "age_ms": 12.346,
        "status": "ok",
        "reasons": [],
        "left_out": [],
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
        "ego_lane": None,
        "timings_ms": {"infer": 4.5},
    }


def test_what_a_network_gives_next_to_classes_is_written_where_it_is_there(
    tmp_path: Path, make_scene: MakeScene
) -> None:
    frame, plain = make_scene(0, 4, 6)
    depth = np.full((4, 6), 12.344, np.float32)
    depth[0] = 0, np.nan, np.inf, 655.34, 700, 1e30
    rich = replace(
        plain,
        picture=np.random.default_rng(0).integers(0, 256, (8, 12, 3), np.uint8),
        depth=depth,
        key_points=(KeyPoint("head", 1.234, 2.0, 0.87654),),
        latent=np.array([0.1, -2.5], np.float32),
        lanes=(replace(plain.lanes[0], points=np.array([[50.126, 3.104], [2, 1]], np.float32)),),
    )
    write(tmp_path, [(frame, rich), (replace(frame, sequence=1), replace(plain, sequence=1))])
    np.testing.assert_array_equal(read_image(tmp_path / "000000.picture.png"), rich.picture)
    centimetres = read_image(tmp_path / "000000.depth.png")
    assert centimetres.dtype == np.uint16
    assert centimetres[0].tolist() == [0, 0, 65535, 65534, 65535, 65535]
    assert (centimetres[1:] == 1234).all()
    lines = (tmp_path / "scenes.jsonl").read_text()
    assert '"points": [[50.13, 3.1], [2.0, 1.0]]' in lines  # no digits that float32 makes up
    first, second = (json.loads(line) for line in lines.splitlines())
    assert first["key_points"] == [{"name": "head", "x": 1.23, "y": 2.0, "score": 0.8765}]
    assert first["latent"] == [0.1, -2.5]
    assert not {"key_points", "latent"} & set(second)
    assert not {"000001.picture.png", "000001.depth.png"} & {path.name for path in tmp_path.iterdir()}


def test_a_second_run_replaces_exactly_what_the_first_one_lists(
    tmp_path: Path, make_scene: MakeScene
) -> None:
    """Also where the run was killed in a line; what it does not list, or lies elsewhere, is not its own."""
    folder = tmp_path / "labels"
    write(folder, [make_scene(0), make_scene(1), make_scene(2, stem="street.01")])
    elsewhere = tmp_path / "other.labels.png"
    mine = [folder / "mine.txt", folder / "000007.labels.png", folder / "000000.labels.tif", elsewhere]
    for path in mine:
        path.write_text("stays")
    with (folder / "scenes.jsonl").open("a") as lines:
        lines.write('{"stem": "../other", "instances": []}\n{"stem": "000007", "inst')
    write(folder, [make_scene(5)])
    assert [path.read_text() for path in mine] == ["stays"] * len(mine)
    written = {f"000005.{kind}" for kind in ("labels.png", "instances.png", "overlay.jpg")}
    assert {path.name for path in folder.iterdir()} == written | {
        "scenes.jsonl", "mine.txt", "000007.labels.png", "000000.labels.tif",
    }  # fmt: skip
    assert [json.loads(line)["sequence"] for line in (folder / "scenes.jsonl").open()] == [5]


def test_a_run_that_goes_on_after_a_failure_replaces_nothing(tmp_path: Path, make_scene: MakeScene) -> None:
    write(tmp_path, [make_scene(0)])
    sink = open_sink(f"{tmp_path}/", 25.0, DRIVE, again=True)
    frame, scene = make_scene(1)
    sink.write(frame, scene, frame.image)
    sink.close()
    assert [json.loads(line)["sequence"] for line in (tmp_path / "scenes.jsonl").open()] == [0, 1]
    assert (tmp_path / "000000.labels.png").exists()


def test_old_lines_are_replaced_only_by_a_frame(tmp_path: Path, make_scene: MakeScene) -> None:
    write(tmp_path, [make_scene(0)])
    before = (tmp_path / "scenes.jsonl").read_bytes()
    write(tmp_path, [])
    assert (tmp_path / "scenes.jsonl").read_bytes() == before


def test_without_a_frame_no_file_is_left(tmp_path: Path) -> None:
    write(tmp_path / "labels", [])
    assert list((tmp_path / "labels").iterdir()) == []


@pytest.mark.parametrize("name", ["000000.labels.png", "000000.overlay.jpg", "scenes.jsonl"])
def test_a_folder_in_the_place_of_a_file_is_reported_and_stays(
    tmp_path: Path, make_scene: MakeScene, name: str
) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(SinkError, match=rf"{name} cannot be written \(Is a directory\)"):
        write(tmp_path, [make_scene(0)])
    assert (tmp_path / name).is_dir()


def test_a_file_that_may_not_be_written_is_reported_and_stays(
    tmp_path: Path, make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / "000000.labels.png"
    labels.write_bytes(b"of an earlier run")
    path_open = Path.open

    def refuse(path: Path, mode: str = "r", *args: Any, **options: Any) -> IO[Any]:  # root may write all
        if path == labels and "w" in mode:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return path_open(path, mode, *args, **options)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(SinkError, match=r"labels\.png cannot be written \(Permission denied\)"):
        write(tmp_path, [make_scene(0)])
    assert labels.read_bytes() == b"of an earlier run"


def test_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="file/labels cannot be written"):
        open_sink(f"{tmp_path}/file/labels/", 25.0, DRIVE)


@pytest.mark.parametrize("victim", ["000001.labels.png", "000001.overlay.jpg", "scenes.jsonl"])
def test_a_full_disk_names_the_file_and_leaves_what_was_whole(
    tmp_path: Path, make_scene: MakeScene, victim: str
) -> None:
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


def test_a_line_that_does_not_fit_is_taken_back(tmp_path: Path, make_scene: MakeScene) -> None:
    """A disk that takes half of a line and then no more."""
    sink = FolderSink(tmp_path, DRIVE)
    frame, scene = make_scene(0)
    sink.write(frame, scene, frame.image)
    whole = (tmp_path / "scenes.jsonl").read_bytes()

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 50, before[1]))
        with pytest.raises(SinkError, match="File too large"):
            sink._write_line(sink._lines, {"x": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    sink.close()
    assert (tmp_path / "scenes.jsonl").read_bytes() == whole


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"out\.gif: unknown kind \.gif.*out\.mp4"):
        open_sink("out.gif", 25.0, DRIVE)
    assert not Path("out.gif").exists()
