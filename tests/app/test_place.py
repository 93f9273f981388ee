"""Where a run writes that names no sink."""

from pathlib import Path

import cv2
import pytest

from perception.app.config import RunConfig
from perception.app.place import with_place
from tests.media import picture, write_images


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("photo.jpg", picture(0))
    cv2.imwrite("what? now.png", picture(0))
    write_images(tmp_path / "my.frames", 1)
    Path("drive.v2.mp4").write_bytes(b"")


@pytest.mark.parametrize(
    ("source", "sink"),
    [
        ("photo.jpg", "runs/photo/"),
        ("what? now.png", "runs/what-now/"),
        ("my.frames", "runs/my.frames/"),
        ("my.frames/?rate=5", "runs/my.frames/"),
        ("drive.v2.mp4", "runs/drive.v2/overlay.mp4"),
        ("0", "runs/camera/overlay.mp4"),
        ("/dev/video3", "runs/camera/overlay.mp4"),
        ("camera:0?rate=30", "runs/camera/overlay.mp4"),
        ("rtsp://user:secret@10.0.0.1/x", "runs/rtsp/overlay.mp4"),
        ("sim:?seed=3", "runs/sim/overlay.mp4"),
    ],
)
def test_the_place_is_called_after_the_source(source: str, sink: str) -> None:
    [found] = with_place(RunConfig.read(None, source=source)).sinks
    assert found.uri.text == sink and found.uri.query == ""


def test_what_is_there_stays() -> None:
    Path("runs/photo").mkdir(parents=True)
    Path("runs/photo-2").mkdir()
    assert with_place(RunConfig.read(None, source="photo.jpg")).sinks[0].uri.text == "runs/photo-3/"


def test_several_cameras_have_a_video_each() -> None:
    settings = with_place(RunConfig.read(None, cameras={"left": "0", "right": "1"}))
    assert settings.sinks[0].uri.text == "runs/cameras/{camera}.mp4"
