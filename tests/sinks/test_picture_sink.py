"""A single overlay as a picture."""

from pathlib import Path

import numpy as np
import pytest

from perception.classes import DRIVE
from perception.errors import SinkError
from perception.sinks.registry import open_sink
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


def test_an_older_picture_stays_until_the_frame_comes(make_scene: MakeScene, tmp_path: Path) -> None:
    path = tmp_path / "out.png"
    path.write_bytes(b"earlier")
    open_sink(str(path), 25, DRIVE).close()
    assert path.read_bytes() == b"earlier"
    sink = open_sink(str(path), 25, DRIVE)
    sink.write(*make_scene(0), picture(0))
    sink.close()
    assert (read_image(path) == picture(0)).all()


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
