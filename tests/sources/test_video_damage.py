"""What is handed on of a damaged video is right to the pixel; the rest is dropped, and counted."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from av.video.stream import VideoStream

from perception.frame import Drop, DropReason, Frame
from perception.sources import damage
from perception.sources.registry import open_source
from tests.servers.control import Server
from tests.servers.pictures import number_of, numbered
from tests.sources.live import Reading, live_source, until

COUNT, GOP = 40, 8
Image = npt.NDArray[np.uint8]


def moving(number: int) -> Image:
    """Everything moves, so that what is built upon a lost picture is wrong everywhere."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 40, 3), np.uint8)
    return np.asarray(cv2.resize(np.roll(noise, 2 * number, 1), (160, 96)), np.uint8)


def encoded(path: Path, codec: str = "libx264", **options: str) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options={"g": str(GOP), **options})
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = 96, 160
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number in range(COUNT):
            frame = av.VideoFrame.from_ndarray(moving(number), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def remuxed(path: Path, to: Path, change: Callable[[int, bytes], bytes | None]) -> Path:
    """Each packet as it is changed; None: it is lost."""
    with av.open(str(path)) as source, av.open(str(to), "w") as out:
        stream = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            data = change(number, bytes(packet))
            if data is None:
                continue
            made = av.Packet(data)
            made.pts, made.dts, made.time_base = packet.pts, packet.dts, packet.time_base
            made.is_keyframe, made.stream = packet.is_keyframe, stream
            out.mux(made)
    return to


def read(path: Path) -> list[Frame | Drop]:
    source = open_source(str(path))
    items = list(source)
    source.close()
    assert [item.sequence for item in items] == list(range(len(items)))
    return items


def check_right(items: list[Frame | Drop], whole: list[Frame | Drop]) -> None:
    """Each frame is the one of its time in the whole video."""
    by_time = {one.stamp_ns: one.image for one in whole if isinstance(one, Frame)}
    for one in items:
        if isinstance(one, Frame):
            np.testing.assert_array_equal(one.image, by_time[one.stamp_ns])
        else:
            assert one.reason is DropReason.UNDECODABLE


@pytest.mark.parametrize("b_frames", ["0", "2"])
@pytest.mark.parametrize("ending", ["mkv", "ts"])
def test_what_is_built_upon_a_lost_picture_is_dropped(tmp_path: Path, b_frames: str, ending: str) -> None:
    """FFmpeg conceals it without a word."""
    path = encoded(tmp_path / f"whole.{ending}", bf=b_frames, sc_threshold="0")
    lost = remuxed(path, tmp_path / f"lost.{ending}", lambda n, data: None if n == GOP + 1 else data)
    items = read(lost)
    check_right(items, read(path))
    assert 1 < sum(isinstance(one, Drop) for one in items) < GOP + 3
    assert isinstance(items[-1], Frame)


@pytest.mark.parametrize("b_frames", ["0", "2"])
def test_what_is_built_upon_a_damaged_picture_is_dropped(tmp_path: Path, b_frames: str) -> None:
    """One that FFmpeg does not decode; damage within a picture it conceals, and says nothing of it."""
    path = encoded(tmp_path / "whole.mkv", bf=b_frames, sc_threshold="0")

    def smash(number: int, data: bytes) -> bytes:
        return bytes(len(data)) if number == GOP + 1 else data

    items = read(remuxed(path, tmp_path / "damaged.mkv", smash))
    check_right(items, read(path))
    assert 1 <= sum(isinstance(one, Drop) for one in items) < GOP + 3
    assert isinstance(items[-1], Frame)


@pytest.mark.parametrize(
    ("lost", "dropped"),
    [({10}, range(10, 16)), ({10, 13}, range(10, 18)), ({10, 25}, [*range(10, 16), *range(24, 30)])],
)
def test_without_a_key_frame_damage_counts_as_painted_over_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: set[int], dropped: Sequence[int]
) -> None:
    """Counted from the latest loss, and each time."""
    monkeypatch.setattr(damage, "HEALED", 5)
    path = encoded(tmp_path / "whole.mkv", g="1000", bf="0", sc_threshold="0")
    items = read(remuxed(path, tmp_path / "lost.mkv", lambda n, data: None if n in lost else data))
    assert [number for number, one in enumerate(items) if isinstance(one, Drop)] == list(dropped)


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_what_has_no_key_frame_before_it_is_counted(tmp_path: Path, codec: str) -> None:
    path = encoded(tmp_path / "whole.ts" if codec == "libx264" else tmp_path / "whole.mkv", codec)
    begun = remuxed(path, tmp_path / f"begun{path.suffix}", lambda n, data: data if n > 3 else None)
    items = read(begun)
    assert len(items) == COUNT - 4
    drops = sum(isinstance(one, Drop) for one in items)
    assert drops == (GOP - 4 if codec == "libx264" else 0)


@pytest.mark.parametrize(
    "options",
    [
        {"bf": "3", "x264-params": "b-pyramid=normal:ref=4"},
        {"bf": "3", "x264-params": "b-pyramid=strict:weightp=2"},
        {"bf": "0", "x264-params": "intra-refresh=1:keyint=8"},
        {"bf": "2", "x264-params": "open-gop=1"},
        {"bf": "2", "flags": "+ildct+ilme", "x264-params": "tff=1"},
        {"x264-params": "slices=4:ref=1", "tune": "zerolatency"},
        {"x264-params": "keyint=infinite:ref=8:mixed-refs=1"},
    ],
)
@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_no_whole_video_has_gaps(tmp_path: Path, options: dict[str, str], ending: str) -> None:
    items = read(encoded(tmp_path / f"a.{ending}", **options))
    assert len(items) == COUNT and not [one for one in items if isinstance(one, Drop)]


@pytest.mark.parametrize("ending", ["avi", "mkv"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_jpeg_that_is_cut_does_not_show_what_was_there_before(
    tmp_path: Path, ending: str, share: float
) -> None:
    path = encoded(tmp_path / f"whole.{ending}", "mjpeg")

    def cut(number: int, data: bytes) -> bytes:
        return data[: int(share * len(data))] if number == 5 else data

    items = read(remuxed(path, tmp_path / f"cut.{ending}", cut))
    assert [number for number, one in enumerate(items) if isinstance(one, Drop)] == [5]
    assert len(items) == COUNT


def test_a_cut_jpeg_of_a_camera_is_counted_and_not_handed_on() -> None:
    with Server("mjpeg", "--size", "160x96") as server, Reading(live_source(server.url)) as reading:
        reading.more(3)
        server.tell("cut 4")
        until(lambda: len(reading.drops) >= 4)
        reading.more(5)
        assert {drop.reason for drop in reading.drops} == {DropReason.UNDECODABLE}
        assert len(reading.drops) == 4
        for one in reading.frames:
            expected = numbered(number_of(one.image), 96, 160)
            shown = np.abs(one.image.astype(int) - expected).mean(axis=(1, 2))
            assert shown.max() < 25  # each row is of that picture
