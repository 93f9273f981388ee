"""Interlaced video: each picture shows one moment, close to the progressive clip of the same drive."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest

from perception.frame import Frame
from perception.perceiver import Perceiver
from perception.sources.deinterlace import one_moment
from perception.sources.registry import open_source
from tests.sources.tagged import add_track, by_ffmpeg, matrix, read_with_notes

Image = npt.NDArray[np.uint8]


def fields(moments: list[Image], top_first: bool) -> list[Image]:
    """Two moments in each picture, in alternate rows."""
    pictures = []
    for first, second in zip(moments[::2], moments[1::2], strict=True):
        picture = first.copy()
        picture[int(top_first) :: 2] = second[int(top_first) :: 2]
        pictures.append(picture)
    return pictures


def write_interlaced(
    path: Path, pictures: list[Image], top_first: bool, shown_by: list[int] | None = None, **options: str
) -> Path:
    """H.264 that says that it is interlaced, and which field comes first."""
    with av.open(str(path), "w") as container:
        stream = add_track(container, pictures[0], **{"x264-params": "interlaced=1", **options})
        if shown_by is not None:
            stream.set_display_matrix(shown_by)
        marked = av.filter.Graph()
        height, width = pictures[0].shape[:2]
        source = marked.add("buffer", f"video_size={width}x{height}:pix_fmt=yuv444p:time_base=1/25")
        field = marked.add("setfield", "tff" if top_first else "bff")
        marked.link_nodes(source, field, marked.add("buffersink")).configure()
        for index, image in enumerate(pictures):
            picture = av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv444p")
            picture.pts, picture.time_base = index, Fraction(1, 25)
            marked.push(picture)
            container.mux(stream.encode(marked.pull()))
        container.mux(stream.encode(None))
    return path


def bars(count: int) -> list[Image]:
    """A bright bar that moves 4 pixels a moment to the right."""
    moments = []
    for index in range(count):
        image = np.full((96, 160, 3), 60, np.uint8)
        image[20:80, 10 + 4 * index : 40 + 4 * index] = 220
        moments.append(image)
    return moments


@pytest.mark.parametrize("top_first", [True, False])
def test_each_picture_shows_its_first_moment(tmp_path: Path, top_first: bool) -> None:
    moments = bars(16)
    path = write_interlaced(tmp_path / "a.mp4", fields(moments, top_first), top_first)
    frames, notes = read_with_notes(path)
    assert [frame.stamp_ns for frame in frames] == [40_000_000 * index for index in range(8)]
    combed = by_ffmpeg(path)
    for frame, comb, moment in zip(frames[1:-1], combed[1:-1], moments[2:-2:2], strict=True):
        error = np.abs(frame.image.astype(int) - moment).mean()
        assert error < 0.35 * np.abs(comb.astype(int) - moment).mean()
    assert notes.count("interlaced video; deinterlaced") == 1
    expected = by_ffmpeg(path, "-vf", "bwdif=send_frame:auto:interlaced")
    for frame, by_program in zip(frames, expected, strict=True):
        assert np.abs(frame.image.astype(int) - by_program).mean() < 0.5


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_what_is_stored_of_an_interlaced_picture_is_another_one(tmp_path: Path, ending: str) -> None:
    path = write_interlaced(tmp_path / f"a.{ending}", fields(bars(16), True), True, bf="0")
    frames, _ = read_with_notes(path)
    assert len(frames) == 8 and not any(frame.coded for frame in frames)


def test_progressive_pictures_pass_as_they_are(tmp_path: Path) -> None:
    pictures = bars(6)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = add_track(container, pictures[0])
        for image in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    frames, notes = read_with_notes(path)
    assert notes == ""
    for frame, by_program in zip(frames, by_ffmpeg(path), strict=True):
        np.testing.assert_array_equal(frame.image, by_program)


def test_interlaced_pictures_are_turned_too(tmp_path: Path) -> None:
    path = write_interlaced(tmp_path / "a.mp4", fields(bars(8), True), True, matrix(-1, 0, 0, -1))
    plain = write_interlaced(tmp_path / "b.mp4", fields(bars(8), True), True)
    for turned, stored in zip(read_with_notes(path)[0], read_with_notes(plain)[0], strict=True):
        np.testing.assert_array_equal(turned.image, stored.image[::-1, ::-1])


def test_interlaced_and_progressive_recordings_one_after_the_other(tmp_path: Path) -> None:
    """No picture is lost where the kind or the size changes."""
    parts = [
        write_interlaced(tmp_path / "a.ts", fields(bars(8), True), True),
        write_interlaced(tmp_path / "b.ts", [np.repeat(one, 2, 1) for one in fields(bars(6), True)], True),
    ]
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    sizes = [frame.width for frame in read_with_notes(both)[0]]
    assert sizes == [160] * 4 + [320] * 3


@pytest.mark.parametrize("rows", [96, 97, 2])
def test_one_moment_keeps_even_rows_and_draws_the_odd_ones(rows: int) -> None:
    ramp = np.repeat(np.arange(rows, dtype=np.uint8)[:, None], 4, 1)[..., None].repeat(3, 2)
    combed = ramp.copy()
    combed[1::2] = 255
    shown = one_moment(combed)
    np.testing.assert_array_equal(shown[::2], ramp[::2])
    np.testing.assert_array_equal(shown[1:-1], ramp[1:-1])
    assert np.abs(shown.astype(int) - ramp).max() <= 1
    np.testing.assert_array_equal(combed[1::2], np.full_like(combed[1::2], 255))  # as it was


def test_labels_are_close_to_those_of_the_progressive_drive(tmp_path: Path) -> None:
    source: Any = open_source("sim:?frames=12&size=704x396&rate=50&seed=4")
    moments = [frame.image for frame in source if isinstance(frame, Frame)]
    path = write_interlaced(tmp_path / "a.mp4", fields(moments, True), True)
    frames, _ = read_with_notes(path)
    perceiver = Perceiver.load("drive", "onnx-cpu", threads=1)

    def agreement(images: list[Image]) -> float:
        shares = []
        for image, moment in zip(images[1:-1], moments[2:-2:2], strict=True):
            one, other = (perceiver.perceive(Frame(picture, 0)).labels for picture in (image, moment))
            shares.append(float((one == other).mean()))
        return float(np.mean(shares))

    combed = by_ffmpeg(path)
    woven = agreement(combed)
    filtered, alone = (
        agreement([frame.image for frame in frames]),
        agreement([one_moment(one) for one in combed]),
    )
    print(f"combed {woven:.4f}, bwdif {filtered:.4f}, one field {alone:.4f}")
    assert filtered >= 0.985 and alone >= 0.98
    assert min(filtered, alone) > woven - 0.002
