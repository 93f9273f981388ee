"""A single overlay as a picture."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pictures

from perception.classes import DRIVE
from perception.errors import SinkError
from perception.frame import Frame
from perception.scene import Scene
from perception.sinks.own_files import MARK
from perception.sinks.registry import open_sink
from perception.types import Image
from tests.media import picture, read_image
from tests.sinks.conftest import MakeScene


@pytest.mark.parametrize(("name", "off_by"), [("out.png", 0), ("out.jpg", 12), ("deep/er/out.JPEG", 12)])
def test_the_overlay_is_in_the_file(make_scene: MakeScene, tmp_path: Path, name: str, off_by: int) -> None:
    sink = open_sink(str(tmp_path / name), 25, DRIVE)
    smooth = np.full((96, 160, 3), (40, 90, 160), np.uint8)
    sink.write(*make_scene(0), smooth)
    sink.close()
    found = read_image(tmp_path / name)
    assert np.abs(found.astype(int) - smooth).max() <= off_by


def write(path: Path, scene: tuple[Frame, Scene], overlay: Image) -> None:
    sink = open_sink(str(path), 25, DRIVE)
    sink.write(*scene, overlay)
    sink.close()


@pytest.mark.parametrize("name", ["out.png", "out.jpg"])
def test_an_older_picture_stays_until_the_frame_comes(
    make_scene: MakeScene, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    write(path, make_scene(0), picture(1))
    earlier = path.read_bytes()
    open_sink(str(path), 25, DRIVE).close()
    assert path.read_bytes() == earlier
    write(path, make_scene(0), np.zeros((8, 8, 3), np.uint8))
    assert not read_image(path).any()


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg"])
def test_somebody_elses_picture_is_kept(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    cv2.imwrite(str(path), picture(0))
    theirs = path.read_bytes()
    with pytest.raises(SinkError, match=rf"{name}: a file is there .* choose another name"):
        open_sink(str(path), 25, DRIVE)
    assert path.read_bytes() == theirs


def test_other_programs_read_the_mark(make_scene: MakeScene, tmp_path: Path) -> None:
    for name in ("out.png", "out.jpg"):
        write(tmp_path / name, make_scene(0), picture(0))
        with Pictures.open(tmp_path / name) as found:
            comment = found.info.get("comment", found.info.get("Comment"))
            assert comment in (MARK, MARK.encode())
            found.verify()


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    open_sink(str(tmp_path / "out.png"), 25, DRIVE).close()
    assert list(tmp_path.iterdir()) == []


def test_a_second_frame_is_refused_and_the_first_stays(make_scene: MakeScene, tmp_path: Path) -> None:
    sink = open_sink(str(tmp_path / "out.png"), 25, DRIVE)
    sink.write(*make_scene(0), picture(0))
    with pytest.raises(SinkError, match=r"holds one frame.*folder"):
        sink.write(*make_scene(1), picture(1))
    sink.close()
    assert (read_image(tmp_path / "out.png") == picture(0)).all()


def test_what_cannot_be_written_is_an_error(make_scene: MakeScene, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="cannot be written"):
        open_sink("/proc/none/out.png", 25, DRIVE)
    (tmp_path / "gone").mkdir()
    sink = open_sink(str(tmp_path / "gone/out.png"), 25, DRIVE)
    (tmp_path / "gone/out.png").unlink()
    (tmp_path / "gone").rmdir()
    with pytest.raises(SinkError, match="No such file"):
        sink.write(*make_scene(0), picture(0))
    sink.close()
