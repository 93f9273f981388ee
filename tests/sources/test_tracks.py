"""Which of several video tracks is the drive: what ffmpeg takes, or the one that the user names."""

import json
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from perception.errors import ConfigError, SourceError
from perception.sources.registry import open_source
from tests.sources.tagged import add_track, by_ffmpeg, read_with_notes

Track = tuple[int, tuple[int, int], int, Disposition]
# Each of another grey, height and width, number of pictures and disposition.
DRIVE = 200, (96, 160), 5, Disposition(0)
PROXY = 100, (32, 64), 5, Disposition(0)
THUMBNAIL = 50, (128, 256), 1, Disposition(0)


def write(path: Path, *tracks: Track, codec: str = "libx264") -> Path:
    with av.open(str(path), "w") as container:
        streams = []
        for _, size, _, disposition in tracks:
            stream = add_track(container, np.empty((*size, 3), np.uint8), codec)
            stream.disposition = disposition
            streams.append(stream)
        for (grey, size, count, _), stream in zip(tracks, streams, strict=True):
            for index in range(count):
                picture = av.VideoFrame.from_ndarray(np.full((*size, 3), grey, np.uint8), format="bgr24")
                picture.pts, picture.time_base = index, Fraction(1, 25)
                container.mux(stream.encode(picture))
            container.mux(stream.encode(None))
    return path


def greys(uri: str | Path) -> tuple[list[int], str]:
    frames, notes = read_with_notes(uri)
    return [round(int(frame.image.mean()), -1) for frame in frames], notes


def default(
    track: Track,
) -> Track:
    return (*track[:3], Disposition.default)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    "tracks",
    [
        (PROXY, default(DRIVE)),
        (default(DRIVE), PROXY),
        (default(PROXY), default(DRIVE)),
        (default(PROXY), DRIVE),
    ],
    ids=["default second", "default first", "both default", "proxy is the default"],
)
def test_the_track_is_the_one_ffmpeg_takes(tmp_path: Path, suffix: str, tracks: tuple[Track, Track]) -> None:
    path = write(tmp_path / f"a{suffix}", *tracks)
    expected = [round(float(image.mean()), -1) for image in by_ffmpeg(path)]
    found, notes = greys(path)
    assert found == expected
    size = DRIVE[1] if found[0] == DRIVE[0] else PROXY[1]
    number = [track[1] for track in tracks].index(size)
    assert f"plays video track {number} of 0: h264 " in notes
    assert f"{number}: h264 {size[1]}×{size[0]}" in notes and "?track=N" in notes


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.ts"])
def test_a_single_picture_is_no_drive_even_as_the_default(tmp_path: Path, name: str) -> None:
    found, notes = greys(write(tmp_path / name, default(THUMBNAIL), DRIVE))
    assert found == [200] * 5
    assert "plays video track 1" in notes


def test_a_cover_picture_is_no_drive(tmp_path: Path) -> None:
    """The cover first, as a large picture: ffprobe sees that it is one."""
    cover = *THUMBNAIL[:3], Disposition.attached_pic
    path = write(tmp_path / "a.mkv", cover, default(DRIVE), codec="mjpeg")
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the program ffmpeg")
    drive, picture, both = tmp_path / "drive.mp4", tmp_path / "cover.jpg", tmp_path / "both.mp4"
    write(drive, DRIVE)
    by = ["ffmpeg", "-v", "error", "-y"]
    subprocess.run(
        [*by, "-f", "lavfi", "-i", "color=gray:256x128", "-frames:v", "1", str(picture)], check=True
    )
    mapped = ["-map", "1", "-map", "0", "-c", "copy", "-disposition:v:0", "attached_pic"]
    subprocess.run([*by, "-i", str(drive), "-i", str(picture), *mapped, str(both)], check=True)
    probe = ["ffprobe", "-v", "error", "-show_streams", "-of", "json", str(both)]
    streams = json.loads(subprocess.run(probe, check=True, capture_output=True).stdout)["streams"]
    number = [stream["disposition"]["attached_pic"] for stream in streams].index(0)
    assert len(streams) == 2
    found, notes = greys(both)
    assert found == [200] * 5
    assert f"plays video track {number} of" in notes and "cover picture mjpeg 256×128" in notes
    assert greys(path)[0] == [200] * 5


def test_a_track_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", default(DRIVE), PROXY, THUMBNAIL)
    assert greys(f"{path}?track=0") == ([200] * 5, "")
    assert greys(f"{path}?track=1") == ([100] * 5, "")
    assert greys(f"{path}?track=2") == ([50], "")


def test_a_track_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", DRIVE, PROXY)
    with pytest.raises(SourceError, match=r"no video track 2; it has 0: h264 160×96.*, 1: h264 64×32"):
        open_source(f"{path}?track=2")
    for wrong in ("-1", "one", "1.5", "", "²"):
        with pytest.raises(ConfigError, match="the number of a video track"):
            open_source(f"{path}?track={wrong}")


def test_one_track_needs_no_note(tmp_path: Path) -> None:
    assert greys(write(tmp_path / "a.mp4", DRIVE)) == ([200] * 5, "")


def test_sound_with_a_cover_is_no_drive(tmp_path: Path) -> None:
    if shutil.which("ffmpeg") is None:
        pytest.skip("needs the program ffmpeg")
    path = tmp_path / "a.mp3"
    cv2.imwrite(str(tmp_path / "cover.jpg"), np.full((64, 64, 3), 90, np.uint8))
    by = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=duration=1", "-i", str(tmp_path / "cover.jpg")]
    more = ["-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic", str(path)]
    subprocess.run([*by, *more], check=True, timeout=60)
    with pytest.raises(SourceError, match="no video stream but 0: cover picture mjpeg 64×64"):
        open_source(str(path))
    assert len(read_with_notes(f"{path}?track=0")[0]) == 1
