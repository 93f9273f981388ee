import wave
from contextlib import closing
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest

from perception.errors import SourceError
from perception.frame import Drop, DropReason, Frame
from perception.pixels import Yuv420
from perception.sources.registry import open_source
from tests.media import picture, write_video


def noisy(count: int) -> list[npt.NDArray[np.uint8]]:
    """Frames that do not compress, so that a cut falls where the bytes say."""
    rng = np.random.default_rng(7)
    return [rng.integers(0, 256, (96, 160, 3), np.uint8) for _ in range(count)]


def read(path: Path) -> tuple[list[Frame | Drop], SourceError | None]:
    """What comes before the end or the error, and the error."""
    source = open_source(str(path))
    items: list[Frame | Drop] = []
    try:
        for item in source:
            items.append(item)
    except SourceError as error:
        return items, error
    finally:
        source.close()
    return items, None


def test_every_frame_comes_in_order_under_its_own_stamp(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 200, 210, 500]  # ms: a variable rate
    images = [picture(index) for index in range(6)]
    items, error = read(write_video(tmp_path / "a.mp4", images, stamps))
    assert error is None
    assert [item.sequence for item in items] == list(range(6))
    frames = [item for item in items if isinstance(item, Frame)]
    assert [round(frame.stamp_ns / 1e6) for frame in frames] == stamps
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.image.astype(int) - image)[:, 20:30].mean() < 8  # inside the first band


def test_stamps_count_from_the_first_frame(tmp_path: Path) -> None:
    items, _ = read(write_video(tmp_path / "a.mkv", [picture(0, 64, 64)] * 3, [5000, 5040, 5080]))
    assert [round(item.stamp_ns / 1e6) for item in items if isinstance(item, Frame)] == [0, 40, 80]


@pytest.mark.parametrize(
    ("name", "movflags"),
    [("a.mp4", "faststart"), ("a.mp4", "frag_keyframe+empty_moov+default_base_moof"), ("a.mkv", "")],
)
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_is_reported_after_the_last_whole_frame(
    tmp_path: Path, name: str, movflags: str, share: float
) -> None:
    count = 30
    path = write_video(tmp_path / name, noisy(count), movflags=movflags)
    whole, error = read(path)
    assert error is None and len(whole) == count

    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    items, error = read(path)
    assert error is not None
    assert f"cut off after {len(items)}" in str(error)
    assert count * share * 0.7 <= len(items) < count
    for got, expected in zip(items, whole, strict=False):
        assert isinstance(got, Frame) and isinstance(expected, Frame)
        np.testing.assert_array_equal(got.image, expected.image)


def test_a_damaged_stretch_is_dropped_with_all_that_is_built_upon_it(tmp_path: Path) -> None:
    """There is one key frame, at the beginning."""
    path = write_video(tmp_path / "a.mp4", noisy(30))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 9000] = bytes(9000)
    path.write_bytes(data)
    items, error = read(path)
    assert error is None
    drops = [item for item in items if isinstance(item, Drop)]
    assert len(items) == 30 and items[-len(drops) :] == drops
    assert 1 <= len(drops) < 20
    assert {drop.reason for drop in drops} == {DropReason.UNDECODABLE}
    assert str(path) in drops[0].message and f"frame {drops[0].sequence} " in drops[0].message
    assert [item.sequence for item in items] == list(range(len(items)))


@pytest.mark.parametrize(
    "content", [b"", b"this is no video" * 100, bytes(5000)], ids=["empty", "text", "zeros"]
)
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.mp4: not a readable video"):
        open_source(str(path))


def test_a_video_without_its_index_is_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", noisy(10), movflags="")  # the index comes last
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(SourceError, match="not a readable video"):
        open_source(str(path))


def test_sound_alone_is_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    with pytest.raises(SourceError, match="holds no video"):
        open_source(str(tmp_path / "a.wav"))


def test_a_change_of_size_goes_on(tmp_path: Path) -> None:
    """Two MPEG-TS recordings of different sizes, one after the other."""
    small = write_video(tmp_path / "small.ts", [picture(0, 96, 160)] * 5)
    large = write_video(tmp_path / "large.ts", [picture(1, 192, 320)] * 5, [5000 + 40 * i for i in range(5)])
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    items, _ = read(both)
    sizes = [item.image.shape[:2] for item in items if isinstance(item, Frame)]
    assert set(sizes) == {(96, 160), (192, 320)}
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", [1, 2, 4, 5, 6, 7, 9])
def test_planes_come_as_they_are_stored_and_show_the_colours_that_ffmpeg_makes_of_them(
    tmp_path: Path, matrix: int, full_range: bool
) -> None:
    path = tmp_path / "drive.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 160, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 1 + full_range
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(0, 96, 160), format="bgr24")))
        container.mux(stream.encode(None))
    with closing(open_source(str(path))) as source:
        [frame] = source
    with av.open(str(path)) as container:
        [stored] = container.decode(video=0)
    assert isinstance(frame, Frame) and isinstance(frame.pixels, Yuv420)
    assert (frame.pixels.matrix, frame.pixels.full_range) == (matrix, full_range)
    assert (frame.height, frame.width) == (96, 160)
    np.testing.assert_array_equal(frame.pixels.i420, stored.to_ndarray())
    np.testing.assert_array_equal(frame.image, stored.to_ndarray(format="bgr24"))


@pytest.mark.parametrize(("stored", "size"), [("yuv444p", (96, 160)), ("yuv420p10le", (96, 160))])
def test_what_is_stored_otherwise_comes_as_an_image(
    tmp_path: Path, stored: str, size: tuple[int, int]
) -> None:
    path = tmp_path / "drive.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        (stream.height, stream.width), stream.pix_fmt = size, stored
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(0, *size), format="bgr24")))
        container.mux(stream.encode(None))
    with closing(open_source(str(path))) as source:
        [frame] = source
    assert isinstance(frame, Frame) and isinstance(frame.pixels, np.ndarray)
    assert np.abs(frame.image.astype(int) - picture(0, *size)).mean() < 12
