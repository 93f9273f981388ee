"""Ends, rates and splices of recordings as others write them; how each was built says what is right."""

import shutil
import struct
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import av
import pytest
from av.container import InputContainer
from av.video.stream import VideoStream

from perception.errors import ConfigError, SourceError
from perception.frame import Drop, Frame
from perception.sources.durations import Extent
from perception.sources.registry import open_source
from perception.sources.splice import Timeline
from tests.media import picture, write_video
from tests.sources.containers import cut, join, trim_end, write, write_avi


def read(uri: str | Path) -> tuple[list[Frame], list[str], str]:
    """The frames, the notes, and the error in the end."""
    source = open_source(str(uri))
    items: list[Frame | Drop] = []
    error = ""
    try:
        for item in source:
            items.append(item)
    except SourceError as raised:
        error = str(raised)
    source.close()
    return [item for item in items if isinstance(item, Frame)], source.notes, error


def milliseconds(frames: list[Frame]) -> list[float]:
    return [frame.stamp_ns / 1e6 for frame in frames]


def every(period_ms: float, count: int) -> list[Any]:
    return [pytest.approx(index * period_ms, abs=1) for index in range(count)]


def _with_sound(suffix: str) -> Callable[[Path], Path]:
    return lambda folder: write(folder / f"a.{suffix}", 30, sound_s=5, bf="2")


OUTLASTED: dict[str, Callable[[Path], Path]] = {
    **{f"sound in {suffix}": _with_sound(suffix) for suffix in ("mp4", "mov", "mkv", "avi", "ts", "flv")},
    "sound in wmv": lambda folder: write(folder / "a.wmv", 30, codec="wmv2", sound_s=5, sound="libmp3lame"),
    "sound in webm": lambda folder: write(folder / "a.webm", 30, codec="libvpx", sound_s=5, sound="libopus"),
    "sound in fragments": lambda folder: write(folder / "a.mp4", 30, sound_s=5, movflags="frag_keyframe"),
}


@pytest.mark.parametrize("kind", OUTLASTED)
def test_what_outlasts_the_video_makes_no_cut_of_it(tmp_path: Path, kind: str) -> None:
    frames, notes, error = read(OUTLASTED[kind](tmp_path))
    assert (error, notes) == ("", [])
    assert milliseconds(frames) == every(50, 30)


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "srt"), ("mp4", "mov_text")])
def test_subtitles_that_outlast_the_video_make_no_cut_of_it(tmp_path: Path, suffix: str, codec: str) -> None:
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        pytest.skip("needs ffmpeg to write subtitles")
    text = tmp_path / "a.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:01,000\non\n\n2\n00:00:10,000 --> 00:00:12,000\noff\n")
    video, path = write(tmp_path / "video.mp4", 30), tmp_path / f"a.{suffix}"
    parts = ["-i", str(video), "-i", str(text), "-c:v", "copy", "-c:s", codec]
    subprocess.run([ffmpeg, "-v", "error", *parts, str(path)], check=True)
    frames, notes, error = read(path)
    assert (error, notes) == ("", [])
    assert milliseconds(frames) == every(50, 30)


@pytest.mark.parametrize("suffix", ["mkv", "avi", "flv"])
def test_a_cut_of_video_and_sound_is_still_found(tmp_path: Path, suffix: str) -> None:
    frames, _, error = read(cut(write(tmp_path / f"a.{suffix}", 60, sound_s=3), 0.5))
    assert 0 < len(frames) < 45
    assert "the file is cut off after " in error


def test_a_length_of_another_file_in_a_tag_is_no_cut(tmp_path: Path) -> None:
    """Tools copy Matroska's DURATION from where they cut."""
    path = write(tmp_path / "a.mkv", 30)
    data = path.read_bytes()
    assert data.count(b"00:00:01.500000000") == 1
    path.write_bytes(data.replace(b"00:00:01.500000000", b"00:10:00.000000000"))
    assert read(path)[2] == ""


@pytest.mark.parametrize("frames", ["0", "2"])
def test_an_edit_list_hides_the_end(tmp_path: Path, frames: str) -> None:
    path = trim_end(write(tmp_path / "a.mp4", 60, bf=frames, g="10"), 1000)
    shown, _, error = read(path)
    assert error == ""
    assert milliseconds(shown) == every(50, 20)


def test_a_cut_before_what_the_edit_list_shows_is_found(tmp_path: Path) -> None:
    path = trim_end(write(tmp_path / "a.mp4", 60, g="10", movflags="faststart"), 2000)
    assert read(path)[2] == ""
    frames, _, error = read(cut(path, 0.4))
    assert f"cut off after {len(frames)}" in error and len(frames) < 30


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize("empty", [(5, 6, 11), (18, 19), (0, 1), range(1, 20, 2)])
def test_empty_chunks_of_an_avi_are_gaps(tmp_path: Path, empty: list[int], index: bool) -> None:
    frames, _, error = read(write_avi(tmp_path / "a.avi", empty, index=index))
    assert error == ""
    there = [number for number in range(20) if number not in empty]
    assert milliseconds(frames) == [pytest.approx(50 * (number - there[0]), abs=1) for number in there]


@pytest.mark.parametrize("empty", [(), (5, 6, 11)])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_avi_with_empty_chunks_is_found(tmp_path: Path, empty: tuple[int, ...], share: float) -> None:
    frames, _, error = read(cut(write_avi(tmp_path / "a.avi", empty), share))
    assert f"cut off after {len(frames)} of 20" in error


def test_an_avi_cut_between_two_chunks_is_found(tmp_path: Path) -> None:
    path = write_avi(tmp_path / "a.avi", [3])
    data = path.read_bytes()
    at = 0
    for _ in range(13):
        at = data.index(b"00dc", at + 4)
    path.write_bytes(data[:at])
    frames, _, error = read(path)
    assert len(frames) == 11 and "cut off after 11 of 20" in error


def test_an_avi_of_a_pipe_declares_nothing(tmp_path: Path) -> None:
    """Nobody went back to write the sizes."""
    path = write_avi(tmp_path / "a.avi", [])
    data = bytearray(path.read_bytes())
    data[4:8] = bytes([255] * 4)
    at = data.index(b"strh")
    data[at + 40 : at + 44] = (2**30).to_bytes(4, "little")
    path.write_bytes(data)
    frames, _, error = read(path)
    assert (len(frames), error) == (20, "")
    assert "the file is cut off after " in read(cut(path, 0.52))[2]  # in the middle of a picture


def test_an_avi_that_lost_its_index_alone_is_whole(tmp_path: Path) -> None:
    path = write_avi(tmp_path / "a.avi", [4, 5])
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"idx1")])
    frames, _, error = read(path)
    assert (len(frames), error) == (18, "")


def test_samples_of_no_bytes_are_no_cut_of_an_mp4(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", 20, bf="0")
    data = bytearray(path.read_bytes())
    at = data.index(b"stsz")
    assert struct.unpack_from(">II", data, at + 8) == (0, 20)
    struct.pack_into(">I", data, at + 16 + 4 * 19, 0)
    path.write_bytes(data)
    frames, _, error = read(path)
    assert (len(frames), error) == (19, "")


def test_a_track_that_says_too_long_a_time_is_no_cut_of_an_mp4(tmp_path: Path) -> None:
    """All samples of its index are there."""
    path = write(tmp_path / "a.mp4", 20, bf="0")
    data = bytearray(path.read_bytes())
    for box in (b"mdhd", b"mvhd"):
        (length,) = struct.unpack_from(">I", data, data.index(box) + 20)
        struct.pack_into(">I", data, data.index(box) + 20, 3 * length)
    path.write_bytes(data)
    assert read(path)[2] == ""


@pytest.mark.parametrize(("name", "cut_off"), [("mpegts", False), ("mpeg", False), ("matroska,webm", True)])
def test_a_length_that_was_worked_out_is_no_declaration(tmp_path: Path, name: str, cut_off: bool) -> None:
    stream = SimpleNamespace(frames=0, duration=None, start_time=None, metadata={}, time_base=None)
    container = SimpleNamespace(
        format=SimpleNamespace(name=name), duration=10 * av.time_base, streams=[stream, None]
    )
    extent = Extent(tmp_path, cast(InputContainer, container), cast(VideoStream, stream), 0.04)
    assert extent.cut_off() is cut_off


def test_reordered_pictures_of_an_avi_are_stamped_in_the_order_shown(tmp_path: Path) -> None:
    frames, _, _ = read(write(tmp_path / "a.avi", 30, bf="2", b_strategy="0"))
    assert milliseconds(frames) == every(50, 30)


RAW: dict[str, tuple[str, Fraction | int, dict[str, Any]]] = {
    "a.h264": ("libx264", 20, {}),
    "b.h264": ("libx264", 30, {"bf": "2"}),
    "a.hevc": ("libx265", 20, {"x265-params": "log-level=0"}),
    "b.hevc": ("libx265", 10, {"x265-params": "log-level=0"}),
    "a.m2v": ("mpeg2video", 30, {}),
    "c.h264": ("libx264", 12, {}),
    "a.m4v": ("mpeg4", Fraction(30000, 1001), {}),
}


@pytest.mark.parametrize("name", RAW)
def test_a_raw_stream_has_the_rate_of_its_header(tmp_path: Path, name: str) -> None:
    codec, rate, options = RAW[name]
    frames, notes, error = read(write(tmp_path / name, 30, rate, codec, **options))
    assert (error, notes) == ("", [])
    assert milliseconds(frames) == every(float(1000 / rate), 30)


UNTOLD: dict[str, tuple[str, dict[str, Any]]] = {
    "a.mjpeg": ("mjpeg", {}),
    "a.hevc": ("libx265", {"x265-params": "log-level=0:vui-timing-info=0"}),
}


@pytest.mark.parametrize("name", UNTOLD)
def test_a_raw_stream_without_a_rate_is_taken_at_one_that_is_said(tmp_path: Path, name: str) -> None:
    codec, options = UNTOLD[name]
    path = write(tmp_path / name, 12, 10, codec, **options)
    frames, notes, _ = read(path)
    assert milliseconds(frames) == every(40, 12)
    assert notes == [f"{path}: says no rate; taken for 25 a second, ?rate= sets it"]
    source = open_source(f"{path}?rate=10")
    assert source.rate == 10
    frames, notes, _ = read(f"{path}?rate=10")
    assert (milliseconds(frames), notes) == (every(100, 12), [])


def test_a_rate_wins_over_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.h264", 10, 20)
    assert milliseconds(read(f"{path}?rate=30000/1001")[0]) == every(1001 / 30, 10)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "y4m"])
def test_a_rate_is_refused_where_the_file_has_its_clock(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a.{suffix}", 5, codec="rawvideo" if suffix == "y4m" else "libx264")
    with pytest.raises(ConfigError, match="rate is refused: its frames carry times"):
        open_source(f"{path}?rate=20")


@pytest.mark.parametrize("rate", ["0", "-5", "fast", "1001", "inf", "nan", "1/0", ""])
def test_a_rate_that_is_none_is_refused(tmp_path: Path, rate: str) -> None:
    path = write(tmp_path / "a.h264", 2)
    with pytest.raises(ConfigError, match=r"rate = .* is refused; it must be frames per second"):
        open_source(f"{path}?rate={rate}")


def test_a_stream_of_two_raw_ones_goes_on(tmp_path: Path) -> None:
    one = write(tmp_path / "one.h264", 15, bf="2")
    frames, _, error = read(join(tmp_path / "a.h264", one, one))
    assert error == "" and milliseconds(frames) == every(50, 30)


@pytest.mark.parametrize(
    ("suffix", "codec"), [("ts", "libx264"), ("mpg", "mpeg2video"), ("mkv", "libx264"), ("ts", "libx265")]
)
@pytest.mark.parametrize(("first", "second"), [(0, 0), (40_000, 0), (10, 0), (0, 3)])
def test_stamps_go_on_over_a_splice(tmp_path: Path, suffix: str, codec: str, first: int, second: int) -> None:
    """A clock that starts again, from near or far: one period after the last picture."""
    rate = 25
    options: dict[str, Any] = {"x265-params": "log-level=0"} if codec == "libx265" else {"bf": "2"}
    parts = [
        write(tmp_path / f"{start}{name}.{suffix}", 20, rate, codec, first=start, **options)
        for name, start in (("a", first), ("b", second))
    ]
    frames, notes, error = read(join(tmp_path / f"all.{suffix}", *parts))
    assert error == ""
    assert milliseconds(frames) == every(40, 40)
    assert [frame.recording for frame in frames] == [0] * 20 + [1] * 20
    [note] = notes
    assert note.startswith(
        f"{tmp_path / f'all.{suffix}'}: another recording begins at frame 20; stamps go on"
    )


def test_a_jump_ahead_stays_a_gap(tmp_path: Path) -> None:
    parts = [write(tmp_path / f"{first}.ts", 10, 25, first=first, bf="0") for first in (0, 1000)]
    frames, notes, error = read(join(tmp_path / "all.ts", *parts))
    assert (error, notes) == ("", [])
    assert milliseconds(frames) == [pytest.approx(40 * k, abs=1) for k in (*range(10), *range(1000, 1010))]
    assert {frame.recording for frame in frames} == {0}


def test_a_variable_rate_is_kept(tmp_path: Path) -> None:
    stamps = [0, 40, 80, 200, 210, 500, 33_000, 33_001]
    frames, _, _ = read(write_video(tmp_path / "a.mkv", [picture(0, 64, 64)] * 8, stamps))
    assert [round(one) for one in milliseconds(frames)] == stamps


def test_mpegs_clock_may_wrap_in_a_recording() -> None:
    timeline = Timeline(25, wraps=True)
    start = Fraction(2**33 - 9000, 90_000)
    times = [(start + Fraction(k, 25)) % Fraction(2**33, 90_000) for k in range(10)]
    times[6] += Fraction(2**33, 90_000)  # FFmpeg takes the wrap back for some pictures
    assert [timeline.stamp_ns(one, k) for k, one in enumerate(times)] == [40_000_000 * k for k in range(10)]
    assert timeline.recording == 0
    assert timeline.stamp_ns(Fraction(0), 10) == 400_000_000  # and so is a splice after it
    assert timeline.stamp_ns(Fraction(1, 25), 11) == 440_000_000
    assert timeline.recording == 1


def test_a_file_is_read_over_the_wrap(tmp_path: Path) -> None:
    """At 2^33 / 90000 s, 1.2 s after its beginning."""
    path = write(tmp_path / "a.ts", 60, 25, first=95441 * 25, bf="2")
    with av.open(str(path)) as container:
        assert any(packet.dts is not None and packet.dts < 0 for packet in container.demux())  # it does wrap
    frames, notes, error = read(path)
    assert (error, notes) == ("", [])
    assert milliseconds(frames) == every(40, 60)


def test_pictures_out_of_order_are_no_splice() -> None:
    """Some decoders hand out the first pictures before they know how far these are reordered."""
    timeline = Timeline(25)
    order = [0, 3, 1, 2, 4, 5, 7, 6]
    stamps = [timeline.stamp_ns(Fraction(k, 25), at) // 40_000_000 for at, k in enumerate(order)]
    assert stamps == [0, 3, 3, 3, 4, 5, 7, 7]
    assert timeline.recording == 0


def test_a_picture_without_a_time_follows_by_the_rate() -> None:
    timeline = Timeline(10)
    times = [None, None, Fraction(1), None, None]
    stamps = [timeline.stamp_ns(one, at) for one, at in zip(times, (0, 2, 3, 4, 7), strict=True)]
    assert stamps == [0, 2 * 10**8, 10**9, 11 * 10**8, 14 * 10**8]
