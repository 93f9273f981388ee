"""A recording over and over."""

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest

from perception.errors import SourceError
from perception.frame import Drop, Frame
from perception.sources.base import Source
from perception.sources.looped import LoopedSource
from perception.sources.registry import open_source
from tests.media import picture, write_images, write_video


def test_rounds_follow_one_another_on_one_clock(tmp_path: Path) -> None:
    write_video(tmp_path / "drive.mp4", [picture(index) for index in range(3)], [0, 40, 120])
    source = LoopedSource(lambda: open_source(str(tmp_path / "drive.mp4")))
    frames = list(islice(source, 8))
    source.close()
    assert all(isinstance(one, Frame) for one in frames)
    assert [one.sequence for one in frames] == list(range(8))
    stamps = [one.stamp_ns / 1e6 for one in frames if isinstance(one, Frame)]
    step = 1000 / source.rate
    rounds = [0, 40, 120, 120 + step, 160 + step, 240 + step, 240 + 2 * step, 280 + 2 * step]
    assert stamps == pytest.approx(rounds, abs=0.01)
    assert [one.recording for one in frames if isinstance(one, Frame)] == [0, 0, 0, 1, 1, 1, 2, 2]
    assert source.length is None and not source.live


def test_drops_are_counted_in_each_round(tmp_path: Path) -> None:
    write_images(tmp_path, 3)
    (tmp_path / "0002.png").write_bytes(b"none")
    source = LoopedSource(lambda: open_source(str(tmp_path)))
    items = list(islice(source, 6))
    assert [one.sequence for one in items] == list(range(6))
    assert [isinstance(one, Drop) for one in items] == [False, False, True] * 2
    first, again = items[0], items[3]
    assert isinstance(first, Frame) and isinstance(again, Frame)
    np.testing.assert_array_equal(first.image, again.image)
    assert (first.stem, again.stem) == ("0000", "0000-2") and again.stamp_ns == 80_000_000


def test_wall_times_go_on_as_stamps_do(tmp_path: Path) -> None:
    start = 1_800_000_000_000_000_000
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{start + number * 50_000_000}.png"), picture(number))
    frames = [
        one for one in islice(LoopedSource(lambda: open_source(str(tmp_path))), 7) if isinstance(one, Frame)
    ]
    assert [one.wall_ns - start for one in frames] == [50_000_000 * number for number in range(7)]
    assert [one.wall_ns - one.stamp_ns for one in frames] == [start] * 7
    assert len({one.stem for one in frames}) == 7


def test_what_breaks_ends_it(tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 2)
    source = LoopedSource(lambda: open_source(str(tmp_path / "drive")))
    read = iter(source)
    assert len(list(islice(read, 2))) == 2
    (tmp_path / "drive/0000.png").unlink()
    (tmp_path / "drive/0001.png").unlink()
    with pytest.raises(SourceError, match="no image in this folder"):
        next(read)


def test_one_that_gives_nothing_ends(tmp_path: Path) -> None:
    class Empty:
        uri, rate, length, live = "none", 25.0, 0, False
        notes: list[str] = []  # noqa: RUF012

        def __iter__(self) -> "Empty":
            return self

        def __next__(self) -> Frame | Drop:
            raise StopIteration

        def close(self) -> None: ...

    assert list(LoopedSource(cast(Callable[[], Source], Empty))) == []
