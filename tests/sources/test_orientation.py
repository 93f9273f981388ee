"""Videos come upright: as ffmpeg turns them, and as the definition of their display matrix says."""

import gc
import subprocess
from pathlib import Path

import av
import numpy as np
import pytest

from perception.sources.orientation import Orientation
from tests.sources.tagged import Image, by_ffmpeg, matrix, read, write

TURNS = {
    "as it is": (1, 0, 0, 1),
    "90 clockwise": (0, 1, -1, 0),
    "180": (-1, 0, 0, -1),
    "270 clockwise": (0, -1, 1, 0),
    "mirrored": (-1, 0, 0, 1),
    "upside down": (1, 0, 0, -1),
    "transposed": (0, 1, 1, 0),
    "transposed the other way": (0, -1, -1, 0),
}


def cells() -> Image:
    """64×96, no two orientations alike; colours that yuv444p keeps within 3."""
    rng = np.random.default_rng(5)
    return rng.integers(40, 215, (4, 6, 1), np.uint8).repeat(3, 2).repeat(16, 0).repeat(16, 1)


def shown(image: Image, a: int, b: int, c: int, d: int) -> Image:
    """Pixel by pixel, by the definition in the container's standard (ISO 14496-12, 6.2.2)."""
    rows, columns = np.indices(image.shape[:2])
    x, y = a * columns + c * rows, b * columns + d * rows
    out = np.empty((np.ptp(y) + 1, np.ptp(x) + 1, 3), np.uint8)
    out[y - y.min(), x - x.min()] = image
    return out


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("name", ["a.mp4", "a.mov"])
def test_files_are_turned_as_their_matrix_says(tmp_path: Path, name: str, turn: tuple[int, ...]) -> None:
    path = write(tmp_path / name, [cells()] * 3, matrix(*turn))
    expected = shown(cells(), *turn)
    for frame, by_program in zip(read(path), by_ffmpeg(path), strict=True):
        assert frame.image.shape == expected.shape
        assert np.abs(frame.image.astype(int) - expected).max() <= 3
        np.testing.assert_array_equal(frame.image, by_program)


def test_another_angle_is_turned_as_ffmpeg_does(tmp_path: Path) -> None:
    c, s = np.cos(np.radians(20)), np.sin(np.radians(20))
    path = write(tmp_path / "a.mp4", [cells()], matrix(c, s, -s, c))
    [frame], [by_program] = read(path), by_ffmpeg(path)
    assert frame.image.shape == by_program.shape
    inside = np.s_[20:-20, 30:-30]
    error = np.abs(frame.image.astype(int) - by_program)[inside]
    assert np.median(error) <= 2 and error.mean() < 6  # interpolated differently at the edges of cells


def test_a_scaled_quarter_turn_is_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [cells()], matrix(0, 2, -2, 0))
    np.testing.assert_array_equal(read(path)[0].image, by_ffmpeg(path)[0])


def oriented(path: Path, *options: str) -> bytes:
    """H.264 in MPEG-TS, all key frames, the display orientation in a message of the stream itself."""
    plain = write(path.with_suffix(".h264"), [cells()] * 4)
    bsf = f"h264_metadata=display_orientation=insert:{':'.join(options)}"
    command = ["ffmpeg", "-v", "error", "-y", "-f", "h264", "-i", plain, "-c", "copy", "-bsf:v", bsf, path]
    subprocess.run([str(word) for word in command], check=True)
    return path.read_bytes()


def test_a_message_in_the_stream_turns_from_where_it_comes(tmp_path: Path) -> None:
    by_ffmpeg(write(tmp_path / "probe.mp4", [cells()]))  # skips without the program
    both = tmp_path / "both.h264"
    both.write_bytes(
        oriented(tmp_path / "one.264", "rotate=180")
        + oriented(tmp_path / "two.264", "rotate=90", "flip=horizontal")
    )
    frames = read(both)
    assert len(frames) == 8
    first, last = frames[0].image, frames[-1].image
    np.testing.assert_allclose(first.astype(int), shown(cells(), *TURNS["180"]), atol=3)
    np.testing.assert_allclose(last.astype(int), shown(cells(), *TURNS["transposed"]), atol=3)
    np.testing.assert_array_equal(last, by_ffmpeg(tmp_path / "two.264")[0])


def test_a_picture_that_was_looked_at_is_let_go_of_without_the_collector_of_garbage() -> None:
    """A picture of 1280×720 has 1.4 MB; the collector may take minutes to come."""
    gc.collect()
    gc.disable()
    try:
        before = sum(type(one) is av.VideoFrame for one in gc.get_objects())
        for _ in range(5):
            Orientation().matrix(av.VideoFrame(64, 32, "yuv420p"))
        assert sum(type(one) is av.VideoFrame for one in gc.get_objects()) == before
    finally:
        gc.enable()
