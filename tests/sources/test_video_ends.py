"""Ends of recordings as others write them: what is whole, and what is cut off."""

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import cast

import av
import pytest
from av.container import InputContainer
from av.video.stream import VideoStream

from perception.frame import Drop, Frame
from perception.sources.durations import Extent
from perception.sources.registry import open_source
from tests.sources.containers import cut, every, milliseconds, read, trim_end, write, write_avi


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


def test_a_thread_that_is_left_behind_keeps_its_file(tmp_path: Path) -> None:
    """Closed under it, FFmpeg would read what is gone."""
    source = open_source(str(write(tmp_path / "a.mp4", 30)))
    first, closed, frames = Event(), Event(), list[Frame | Drop]()

    def read_on() -> None:
        for frame in source:
            frames.append(frame)
            first.set()
            closed.wait(10)

    reader = Thread(target=read_on)
    reader.start()
    assert first.wait(10)
    source.close()
    closed.set()
    reader.join(10)
    assert len(frames) == 30
    source.close()
    with pytest.raises(AssertionError):  # PyAV's, of a container that is closed
        list(source)
