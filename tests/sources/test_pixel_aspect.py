"""Pixels that are not square: the network sees a square picture, and what is published fits the stored."""

import dataclasses
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from perception.frame import Frame
from perception.perceiver import Perceiver
from perception.scene import Scene
from perception.sinks.video import VideoSink
from perception.sources.registry import open_source
from tests.media import picture
from tests.sources.tagged import matrix, read, write

SHAPES = ["2:1", "64:45", "1:2", "4:3"]


def sar_by_ffprobe(path: Path) -> str:
    if shutil.which("ffprobe") is None:
        pytest.skip("needs the program ffprobe")
    command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "csv=p=0"]
    command += ["-show_entries", "stream=sample_aspect_ratio"]
    return subprocess.run([*command, str(path)], check=True, capture_output=True, text=True).stdout.split()[0]


@pytest.mark.parametrize("sar", SHAPES)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_file_says_the_shape_of_its_pixels(tmp_path: Path, name: str, sar: str) -> None:
    path = write(tmp_path / name, [picture(0, 96, 160)] * 2, sar=sar)
    assert sar_by_ffprobe(path) == sar
    for frame in read(path):
        assert frame.image.shape == (96, 160, 3)
        assert frame.pixel_aspect == pytest.approx(float(Fraction(sar.replace(":", "/"))), rel=1e-3)


def test_a_quarter_turn_turns_the_pixels_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [picture(0, 96, 160)], matrix(0, 1, -1, 0), sar="2:1")
    [frame] = read(path)
    assert frame.image.shape == (160, 96, 3)
    assert frame.pixel_aspect == 0.5


def test_the_shape_may_change_within_a_stream(tmp_path: Path) -> None:
    both = tmp_path / "both.ts"
    parts = [write(tmp_path / f"{sar[0]}.ts", [picture(0, 96, 160)] * 3, sar=sar) for sar in ("2:1", "1:1")]
    both.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert [frame.pixel_aspect for frame in read(both)] == [2.0] * 3 + [1.0] * 3


@pytest.mark.parametrize("sar", ["1:1", ""])
def test_pixels_of_which_nothing_is_said_are_square(tmp_path: Path, sar: str) -> None:
    assert read(write(tmp_path / "a.mp4", [picture(0, 96, 160)], sar=sar))[0].pixel_aspect == 1


def test_a_shape_that_cannot_be_is_said_and_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", [picture(0, 96, 160)], sar="1:20")
    source = open_source(str(path))
    [frame] = source
    assert isinstance(frame, Frame) and frame.pixel_aspect == 1
    assert "1/20 as wide as high" in "".join(source.notes)


@pytest.fixture(scope="module")
def perceiver() -> Perceiver:
    return Perceiver.load("drive", "onnx-cpu", threads=1)


@pytest.fixture(scope="module")
def drive() -> list[Frame]:
    source = open_source("sim:?frames=3&size=960x540&seed=3")
    return [frame for frame in source if isinstance(frame, Frame)]


def squeezed(frame: Frame, aspect: float) -> Frame:
    width, height = round(frame.width / max(1, aspect)), round(frame.height * min(1, aspect))
    image = cv2.resize(frame.image, (width, height), interpolation=cv2.INTER_AREA)
    return dataclasses.replace(frame, pixels=np.asarray(image, np.uint8), pixel_aspect=aspect)


@pytest.mark.parametrize("aspect", [2.0, 64 / 45, 0.5])
def test_labels_and_lanes_of_a_squeezed_frame_are_those_of_the_square_one(
    perceiver: Perceiver, drive: list[Frame], aspect: float
) -> None:
    agreements, paint = [], []
    for frame in drive:
        small = squeezed(frame, aspect)
        square, scene = perceiver.perceive(frame), perceiver.perceive(small)
        assert scene.labels.shape == scene.instance_map.shape == small.image.shape[:2]
        size = frame.width, frame.height
        labels = cv2.resize(scene.labels, size, interpolation=cv2.INTER_NEAREST_EXACT)
        agreements.append(float((labels == square.labels).mean()))
        marking = perceiver.classes.id("lane_marking")
        one, other = labels == marking, square.labels == marking
        paint.append(float((one & other).sum() / max(1, (one | other).sum())))
        assert_alike(square, scene, frame, small)
    assert np.mean(agreements) >= 0.97, agreements
    print(aspect, agreements, paint)


def assert_alike(square: Scene, scene: Scene, frame: Frame, small: Frame) -> None:
    """The ego lane and large road users lie at the same places of the stored picture."""
    grown = np.array([frame.width / small.width, frame.height / small.height])
    for lane in square.lanes:
        if lane.side is None:
            continue
        [twin] = [one for one in scene.lanes if one.side == lane.side]
        points = (twin.points + 0.5) * grown - 0.5
        order = np.argsort(lane.points[:, 1])
        y = lane.points[order, 1]
        common = (points[:, 1] >= y[0]) & (points[:, 1] <= y[-1])
        x = np.interp(points[common, 1], y, lane.points[order, 0])
        assert np.abs(points[common, 0] - x).mean() < 0.01 * frame.width
    for one in square.instances:
        box = np.array(one.box)
        if (box[2] - box[0]) * (box[3] - box[1]) > 0.01 * frame.width * frame.height:
            tiled = [np.array(other.box) * np.tile(grown, 2) for other in scene.instances]
            # What is squeezed shows less of it; at another place or of another shape it would be 0.5 at most.
            assert max(_iou(box, other) for other in tiled) > 0.7


def _iou(one: np.ndarray, other: np.ndarray) -> float:
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:], other[2:])
    shared = np.prod(np.maximum(high - low, 0))
    return float(shared / (np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2]) - shared))


@pytest.mark.parametrize(("aspect", "sar"), [(2.0, "2:1"), (64 / 45, "64:45"), (0.5, "1:2"), (1.0, "1:1")])
def test_an_overlay_video_keeps_the_shape(tmp_path: Path, aspect: float, sar: str) -> None:
    frame = Frame(picture(0, 96, 160), 0, pixel_aspect=aspect)
    sink = VideoSink(tmp_path / "out.mp4", 25.0)
    sink.write(frame, None, frame.image)  # type: ignore[arg-type]
    sink.close()
    assert sar_by_ffprobe(tmp_path / "out.mp4") == sar
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (160, 96)


def test_a_frame_of_another_shape_is_fitted_as_it_is_shown(tmp_path: Path) -> None:
    """Square pixels of half the width after pixels 2:1: at the same height they fill half of the row."""
    white = np.full((96, 160, 3), 255, np.uint8)
    sink = VideoSink(tmp_path / "out.mp4", 25.0)
    sink.write(Frame(white, 0, pixel_aspect=2.0), None, white)  # type: ignore[arg-type]
    sink.write(Frame(white, 40_000_000, pixel_aspect=1.0), None, white)  # type: ignore[arg-type]
    sink.close()
    first, second = read(tmp_path / "out.mp4")
    assert first.image.mean() > 250
    lit = second.image[48, :, 1] > 128
    assert lit.sum() == pytest.approx(80, abs=4) and lit[79]
    assert (second.image[:, 79, 1] > 128).all()
