"""Pictures as H.264 in logs: passed on, or encoded."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from perception.classes import DRIVE
from perception.frame import Coded, Frame
from perception.pixels import BT709, Yuv420
from perception.scene import Status, unknown_scene
from perception.sinks.h264 import H264Video
from perception.sinks.registry import open_sink
from perception.sources.video import VideoSource
from tests.h264 import decoded, moving, unit_types, write_stream
from tests.mcap_reading import read_log


def coded(sequence: int, *, key: bool = False, form: str = "h264") -> Frame:
    data = Coded(form, b"%d" % sequence, key)  # type: ignore[arg-type]
    return Frame(moving(sequence), 40_000_000 * sequence, sequence=sequence, coded=data)


def plain(sequence: int, height: int = 96, width: int = 160) -> Frame:
    return Frame(moving(sequence, height, width), 40_000_000 * sequence, sequence=sequence)


def test_what_was_encoded_is_passed_on_and_waits_for_a_key_frame_after_a_gap() -> None:
    video = H264Video(25.0)
    frames = [coded(n, key=n % 4 == 0) for n in (1, 2, 4, 5, 6, 8, 9, 11, 12, 13)]
    assert [video.encode(frame) for frame in frames] == [
        b"", b"", b"4", b"5", b"6", b"8", b"9", b"", b"12", b"13",
    ]  # fmt: skip
    assert H264Video.begins(coded(4, key=True)) and not H264Video.begins(coded(5))
    assert H264Video.begins(plain(5)) and H264Video.begins(coded(5, form="h265"))


@pytest.mark.parametrize("form", ["jpeg", "h265"])
def test_other_forms_are_encoded(form: str) -> None:
    video = H264Video(25.0)
    shown = decoded([video.encode(coded(n, form=form)) for n in range(3)])
    assert [planes.shape for planes in shown] == [(144, 160)] * 3


def test_encoded_pictures_come_at_once_with_parameter_sets_each_second() -> None:
    video = H264Video(10.0)
    found = [video.encode(plain(n)) for n in range(25)]
    kinds = [unit_types(unit) for unit in found]
    assert [n for n, kind in enumerate(kinds) if 5 in kind] == [0, 10, 20]
    for n, kind in enumerate(kinds):
        assert ({7, 8} <= set(kind)) == (n % 10 == 0)
    for start in (0, 10, 20):
        shown = decoded(found[start:])  # each at once: nothing is built upon a later one
        for n, planes in enumerate(shown, start):
            assert np.abs(Yuv420(planes).bgr.astype(int) - moving(n)).mean() < 20


def test_planes_keep_their_colours_and_odd_sides_grow() -> None:
    planes = Yuv420.of(moving(0), BT709, full_range=True)
    [shown] = decoded([H264Video(25.0).encode(Frame(planes, 0))])
    assert np.abs(shown.astype(int) - planes.i420).mean() < 6
    [shown] = decoded([H264Video(25.0).encode(plain(0, 97, 161))])
    assert shown.shape == (98 * 3 // 2, 162)


def test_another_size_or_a_change_of_encoder_begins_with_a_key_frame() -> None:
    video = H264Video(25.0)
    video.encode(plain(0))
    assert 5 not in unit_types(video.encode(plain(1)))
    assert 5 in unit_types(video.encode(plain(2, 64, 64)))
    assert video.encode(coded(3)) == b""
    assert video.encode(coded(4, key=True)) == b"4"
    assert 5 in unit_types(video.encode(plain(5, 64, 64)))
    assert video.encode(coded(6)) == b""


def test_a_log_holds_the_video_of_its_source(tmp_path: Path) -> None:
    """Bytes that decode to the very pictures that the network has seen, under their stamps."""
    frames = [one for one in VideoSource(write_stream(tmp_path / "in.mp4", 25)) if isinstance(one, Frame)]
    sink = open_sink(f"{tmp_path}/out.mcap?image=h264", 25.0, DRIVE)
    for frame in frames:
        sink.write(frame, unknown_scene(frame, Status.OK), frame.image)
    sink.close()
    found = [one for one in read_log(tmp_path / "out.mcap") if one.topic == "/front/picture"]
    assert {one.kind for one in found} == {"foxglove.CompressedVideo"}
    assert {one.value.format for one in found} == {"h264"}
    assert [one.log_ns for one in found] == [40_000_000 * n for n in range(25)]
    for planes, frame in zip(decoded(one.value.data for one in found), frames, strict=True):
        assert isinstance(frame.pixels, Yuv420)
        np.testing.assert_array_equal(planes, frame.pixels.i420)


def test_each_segment_begins_with_a_key_frame(tmp_path: Path) -> None:
    frames = [one for one in VideoSource(write_stream(tmp_path / "in.mp4", 45)) if isinstance(one, Frame)]
    sink = open_sink(f"{tmp_path}/out.mcap?image=h264&minutes=0.01", 25.0, DRIVE)  # 0.6 s
    for frame in frames:
        sink.write(frame, unknown_scene(frame, Status.OK), frame.image)
    sink.close()
    sequences = []
    for path in sorted(tmp_path.glob("out-*.mcap")):
        log = read_log(path)
        own = [one.value["sequence"] for one in log if one.topic == "/front/scene"]
        assert len(decoded(one.value.data for one in log if one.topic == "/front/picture")) == len(own)
        sequences.append(own)
    assert sequences == [list(range(20)), list(range(20, 40)), list(range(40, 45))]


def test_without_its_own_video_a_log_encodes_one(tmp_path: Path) -> None:
    sink = open_sink(f"{tmp_path}/out.mcap?image=h264", 25.0, DRIVE)
    for n in range(3):
        frame = replace(plain(n), camera="rear")
        sink.write(frame, unknown_scene(frame, Status.OK), frame.image)
    sink.close()
    found = [one for one in read_log(tmp_path / "out.mcap") if one.topic == "/rear/picture"]
    assert len(decoded(one.value.data for one in found)) == 3
    assert {one.value.frame_id for one in found} == {"rear_optical"}
