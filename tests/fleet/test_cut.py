"""What is taken out of drives: the frames themselves, with the maps that the run wrote of them."""

import json
import zipfile
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from typer.testing import CliRunner

from perception.app.cli import app
from perception.classes import DRIVE, ClassSet
from perception.datasets.opening import open_dataset
from perception.errors import PerceptionError
from perception.fleet.cut import _most_doubted
from perception.fleet.search import Hit
from perception.interchange.files.png import encode_ids
from perception.interchange.files.records import class_records
from tests.fleet.records import Scene, scene, user, write_drive

FRAMES, SIZE = 100, (48, 64)
PEDESTRIANS = [10, 11, 12, 40, 80]


def picture(i: int) -> npt.NDArray[np.uint8]:
    """The frame's number in eight bars, black and white: they survive a video encoder."""
    bars = np.repeat([255 * (i >> bit & 1) for bit in range(8)], 8)
    return np.broadcast_to(bars[None, :, None], (*SIZE, 3)).astype(np.uint8)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A drive of pictures, 25 a second."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for i in range(FRAMES):
        cv2.imwrite(str(folder / f"img{i:03d}.png"), picture(i))
    return folder


def maps(i: int) -> tuple[Any, Any]:
    """Labels and instances of a frame, no two of which have the same."""
    labels = np.full(SIZE, DRIVE.id("road"), np.uint8)
    labels[:, : i % 40] = DRIVE.id("sky")
    labels[:2] = 255
    labels[30:40, 40 : 41 + i % 20] = DRIVE.id("pedestrian")
    return labels, np.where(labels == DRIVE.id("pedestrian"), 9001, 0).astype(np.uint16)


def scenes() -> list[Scene]:
    """Of the frames but the first two, which were dropped."""
    found = []
    for i in range(2, FRAMES):
        users = [user("pedestrian", track=1)] if i in PEDESTRIANS else []
        found.append(scene(i, *users, stem=f"img{i:03d}"))
    return found


@pytest.fixture
def out(tmp_path: Path, frames: Path) -> Path:
    folder = write_drive(tmp_path / "out" / "d-1", scenes(), drive=str(frames))
    for i in range(2, FRAMES):
        for kind, ids in zip(("labels", "instances"), maps(i), strict=True):
            (folder / f"img{i:03d}.{kind}.png").write_bytes(encode_ids(ids))
    return folder.parent


def mine(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["mine", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def test_frames_become_a_data_set_that_a_training_reads(out: Path, tmp_path: Path) -> None:
    said = mine(out, tmp_path / "set", "--where", "pedestrian")
    assert f"5 frames in the data set folder+instances:{tmp_path / 'set'}" in said.replace("\n", "")
    read = open_dataset(f"folder+instances:{tmp_path / 'set'}")
    assert [read[i].name for i in range(len(read))] == [f"d-1-{i:06d}" for i in PEDESTRIANS]
    for sample, i in zip((read[i] for i in range(5)), PEDESTRIANS, strict=True):
        labels, instances = maps(i)
        assert (sample.image == picture(i)).all()
        assert (sample.target == np.where(labels == 255, 0, 1 << labels.astype(np.uint32) % 32)).all()
        assert (sample.instances == instances).all()
    mined = json.loads((tmp_path / "set" / "mined.json").read_text())
    assert mined["where"] == "pedestrian"
    assert [hit["stem"] for hit in mined["found"][0]["hits"]] == ["img010", "img011", "img012"]
    assert not (tmp_path / "set" / "classes.yaml").exists()


@pytest.mark.parametrize(
    ("options", "expected"),
    [(["--frames", 2], [10, 12, 40, 80]), (["--frames", 1], [11, 40, 80]), (["--limit", 1], [10, 11, 12])],
)
def test_fewer_frames_of_an_event_and_fewer_events(
    options: list[object], expected: list[int], out: Path, tmp_path: Path
) -> None:
    mine(out, tmp_path / "set", "--where", "pedestrian", *options)
    names = sorted(path.name for path in (tmp_path / "set" / "images").iterdir())
    assert names == [f"d-1-{i:06d}.png" for i in expected]


@pytest.mark.parametrize(
    ("doubts", "most", "expected"),
    [
        ([0.1, 0.9, 0.5, 0.9, None], 1, [3]),  # of two, the later middle one
        ([0.1, 0.9, 0.5, 0.8, None], 2, [1, 3]),
        ([0.1, 0.8, 0.5, 0.9, None], 3, [1, 2, 3]),
        ([0.7, 0.2, 0.2, 0.2, 0.2, 0.2], 3, [0, 1, 5]),
        ([None, 0.0, None], 2, [1, 2]),
        ([0.3, 0.3, 0.3], 5, [0, 1, 2]),
        ([0.3, 0.2, 0.1], None, [0, 1, 2]),
    ],
)
def test_the_frames_of_most_doubt_are_taken(
    doubts: list[float | None], most: int | None, expected: list[int]
) -> None:
    hits = [Hit(i, f"{i}", i, doubt) for i, doubt in enumerate(doubts)]
    assert [hit.sequence for hit in _most_doubted(hits, most)] == expected


def test_doubt_is_read_of_the_scenes(out: Path, tmp_path: Path, frames: Path) -> None:
    scores = {10: 0.9, 11: 0.8, 12: 0.3}
    users = {i: [user("pedestrian", score=scores.get(i, 0.9))] for i in PEDESTRIANS}
    write_drive(
        out / "d-1",
        [scene(i, *users.get(i, []), stem=f"img{i:03d}") for i in range(2, FRAMES)],
        drive=str(frames),
    )
    mine(out, tmp_path / "set", "--where", "pedestrian", "--frames", 1, "--limit", 1)
    assert [path.name for path in (tmp_path / "set" / "images").iterdir()] == ["d-1-000012.png"]
    hits = json.loads((tmp_path / "set" / "mined.json").read_text())["found"][0]["hits"]
    assert [hit["doubt"] for hit in hits] == [0.1, 0.2, 0.7]


def clip(path: Path) -> tuple[list[int], list[float]]:
    """The numbers that its frames show, and their times."""
    with av.open(str(path)) as container:
        pictures = list(container.decode(video=0))
    bars = [
        one.to_ndarray(format="bgr24").reshape(48, 8, 8, 3).mean(axis=(0, 2, 3)) > 128 for one in pictures
    ]
    return [int(one @ (1 << np.arange(8))) for one in bars], [one.time for one in pictures]


def test_clips_hold_the_frames_around_an_event(out: Path, tmp_path: Path) -> None:
    mine(out, tmp_path / "clips", "--where", "pedestrian", "--clip", "0.4s")
    names = sorted(path.name for path in (tmp_path / "clips").glob("*.mp4"))
    assert names == ["d-1-000010.mp4", "d-1-000040.mp4", "d-1-000080.mp4"]
    # 10 frames before the first, which a run that dropped frames did not see, and 10 after the last.
    for name, expected in zip(names, [range(23), range(30, 51), range(70, 91)], strict=True):
        numbers, times = clip(tmp_path / "clips" / name)
        assert numbers == list(expected)
        assert np.diff(times) == pytest.approx(0.04)


def test_events_whose_clips_would_overlap_are_one(out: Path, tmp_path: Path) -> None:
    mine(out, tmp_path / "clips", "--where", "pedestrian", "--clip", "1")
    names = sorted(path.name for path in (tmp_path / "clips").glob("*.mp4"))
    assert names == ["d-1-000010.mp4"]
    assert clip(tmp_path / "clips" / names[0])[0] == list(range(100))


CONES = ClassSet("cones", ("ground", "cone"), ((10, 20, 30), (200, 100, 0)), ("cone",))


def test_classes_of_ones_own_come_along(out: Path, tmp_path: Path, frames: Path) -> None:
    folder = out / "d-1"
    cones = [scene(i, user("cone"), stem=f"img{i:03d}") for i in range(2, 4)]
    write_drive(folder, cones, drive=str(frames), classes=class_records(CONES))
    for i in (2, 3):
        for kind, ids in (
            ("labels", np.eye(*SIZE, dtype=np.uint8)),
            ("instances", np.eye(*SIZE, dtype=np.uint16) * 1001),
        ):
            (folder / f"img{i:03d}.{kind}.png").write_bytes(encode_ids(ids))
    mine(out, tmp_path / "set", "--where", "cone")
    read = open_dataset(f"folder+instances:{tmp_path / 'set'}")
    assert read.own.class_set.names == CONES.names  # type: ignore[attr-defined]
    assert read.own.class_set.things == CONES.things  # type: ignore[attr-defined]
    assert read.own.class_set.colours == CONES.colours  # type: ignore[attr-defined]
    assert (read[0].target == np.where(np.eye(*SIZE), 2, 1)).all()
    assert (read[0].instances == np.eye(*SIZE) * 1001).all()


def refused(out: Path, folder: Path, *options: object) -> str:
    with pytest.raises(PerceptionError) as caught:
        mine(out, folder, "--where", "pedestrian", *options)
    assert not folder.exists() or any(folder.iterdir()) is (folder == out)
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".set")] == []
    return str(caught.value)


def test_what_cannot_be_written_leaves_nothing(out: Path, tmp_path: Path, frames: Path) -> None:
    folder, target = out / "d-1", tmp_path / "set"
    assert "holds something already" in refused(out, out)
    assert "give one of them" in refused(out, target, "--clip", "2s", "--frames", "1")
    assert "--clip 2m: give seconds, such as 2s" in refused(out, target, "--clip", "2m")
    assert "is a video's name, but a folder" in refused(out, tmp_path / "x.MP4", "--clip", "2s")
    assert "no such file" in refused(out, target, "--drive", "gone.mp4")
    (folder / "done.json").write_text('{"drive": 3}')
    assert "done.json: not what perception fleet writes (drive = 3" in refused(out, target)
    (folder / "done.json").unlink()
    assert "name it: --drive SOURCE" in refused(out, target)
    (folder / "img040.labels.png").unlink()
    assert "img040.labels.png: missing" in refused(out, target, "--drive", frames)
    (folder / "img040.labels.png").write_bytes(encode_ids(np.zeros((48, 32), np.uint8)))
    assert "32x48, but the frame is 64x48" in refused(out, target, "--drive", frames)
    (frames / "img010.png").unlink()
    assert "frame 80 cannot be read" not in refused(out, target, "--drive", frames)
    write_drive(out / "e", scenes())
    assert "OUT/ has 2 drives" in refused(out, target, "--drive", frames)


def test_another_drive_is_not_taken_for_the_one_that_was_perceived(
    out: Path, tmp_path: Path, frames: Path
) -> None:
    message = refused(out, tmp_path / "set", "--drive", f"{frames}/?rate=30")
    assert "frame 10 is at 0.333 s, but its scene is of 0.400 s" in message
    for path in sorted(frames.iterdir())[50:]:
        path.unlink()
    assert "frame 80 cannot be read, but its scene is of 3.200 s" in refused(out, tmp_path / "set")
    assert "frame 80 cannot be read" in refused(out, tmp_path / "set", "--clip", "1s")


def test_a_drive_that_lies_elsewhere_is_fetched(out: Path, tmp_path: Path, frames: Path) -> None:
    """As the worker of a fleet did it."""
    with zipfile.ZipFile(tmp_path / "day.zip", "w") as archive:
        for path in frames.iterdir():
            archive.write(path, f"d/{path.name}")
    write_drive(out / "d-1", scenes(), drive=f"zip://d::{tmp_path / 'day.zip'}")
    mine(out, tmp_path / "set", "--where", "pedestrian")
    names = sorted(path.name for path in (tmp_path / "set").iterdir())
    assert names == ["images", "instances", "labels", "mined.json"]
    written = cv2.imread(str(tmp_path / "set" / "images" / "d-1-000040.png"))
    assert written is not None and (written == picture(40)).all()
    mine(out, tmp_path / "clips", "--where", "pedestrian", "--clip", "0.1s")
    assert (
        len(list((tmp_path / "clips").glob("*.mp4"))) == 3 and not (tmp_path / "clips" / "fetched").exists()
    )
    (tmp_path / "day.zip").unlink()
    assert "day.zip" in refused(out, tmp_path / "set2")
    write_drive(out / "d-1", scenes(), drive="ftp://user:***@host/d.mp4")
    assert "is without its secrets in done.json; name it: --drive" in refused(out, tmp_path / "set2")


def test_a_camera_cannot_be_read_again(out: Path, tmp_path: Path) -> None:
    assert "a live camera, which cannot be read again" in refused(
        out, tmp_path / "set", "--drive", "udp://127.0.0.1:1"
    )


def test_ids_of_other_classes_are_not_taken_for_those_of_drive(
    out: Path, tmp_path: Path, frames: Path
) -> None:
    (write_drive(out / "d-1", [scene(10, user("pedestrian", id=3001), stem="img010")]) / "done.json").unlink()
    assert "its class 3 is pedestrian" in refused(out, tmp_path / "set", "--drive", frames)
    write_drive(out / "e", scenes(), drive="x", classes=class_records(CONES))
    assert "of different classes" in refused(out, tmp_path / "set")


def test_what_no_drive_knows_is_said_with_what_makes_it_known(out: Path) -> None:
    said = " ".join(mine(out, "--where", "ttc < 1").split())
    assert (
        "no file knows ttc: nothing can match a comparison with it; perceive the drives with --calibration"
        in said
    )
