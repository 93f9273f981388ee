"""Frames that the embedding program hands in."""

import math
import time
from threading import Timer

import numpy as np
import pytest

from perception.errors import ConfigError
from perception.frame import Drop, DropReason, Frame
from perception.health.types import Link, LinkState
from perception.sources.push import PushSource
from tests.sources.live import Reading

IMAGE = np.zeros((4, 6, 3), np.uint8)


def test_frames_come_out_as_they_were_handed_in() -> None:
    source = PushSource(rate=10, camera="left")
    assert source.link.state is LinkState.CONNECTING
    with Reading(source) as reading:
        for number in range(3):
            stamp_ns = time.monotonic_ns() - 5_000_000
            assert source.push(IMAGE, stamp_ns, 1234) == number
            reading.at_least(number + 1)
        assert reading.source.link.state is LinkState.STREAMING
        frame = reading.frames[-1]
        assert frame.image is IMAGE
        assert (frame.stamp_ns, frame.host_ns, frame.wall_ns) == (stamp_ns, stamp_ns, 1234)
        assert frame.camera == "left"


def test_without_stamps_frames_are_of_now() -> None:
    source = PushSource()
    source.push(IMAGE)
    source.end()
    (frame,) = source
    assert isinstance(frame, Frame)
    assert 0 <= time.monotonic_ns() - frame.host_ns < 1e9
    assert abs(time.time_ns() - frame.wall_ns) < 1e9


def test_frames_that_are_overwritten_before_they_are_read_are_superseded() -> None:
    source = PushSource()
    items = iter(source)
    source.push(IMAGE)
    first = next(items)
    for _ in range(4):
        source.push(IMAGE)
    source.end()
    rest = list(items)
    assert [first.sequence, *(item.sequence for item in rest)] == [0, 1, 2, 3, 4]
    assert all(isinstance(item, Drop) and item.reason is DropReason.SUPERSEDED for item in rest[:-1])
    assert isinstance(rest[-1], Frame)
    assert source.link.state is LinkState.ENDED


def test_stop_ends_the_iteration_and_what_is_pushed_after_is_not_read() -> None:
    source = PushSource()
    Timer(0.05, source.stop).start()
    assert list(source) == []
    assert source.push(IMAGE) == 0


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (
            np.zeros((4, 6, 3), np.float32),
            r"image is float32 \(4, 6, 3\); it must be uint8 \(height, width, 3\)",
        ),
        (np.zeros((4, 6), np.uint8), r"image is uint8 \(4, 6\)"),
        (np.zeros((4, 6, 4), np.uint8), r"image is uint8 \(4, 6, 4\)"),
        (np.zeros((0, 6, 3), np.uint8), r"image is uint8 \(0, 6, 3\)"),
        ([[1, 2, 3]], r"image is list \(\)"),
    ],
)
def test_what_is_no_image_is_refused(image: object, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        PushSource().push(image)  # type: ignore[arg-type]


def test_stamps_of_the_future_and_of_before_are_refused_and_cost_no_number() -> None:
    source, now = PushSource(), time.monotonic_ns()
    assert source.push(IMAGE, now) == 0
    with pytest.raises(ConfigError, match=r"stamp_ns is \d+ ms in the future; take time.monotonic_ns"):
        source.push(IMAGE, time.monotonic_ns() + 200_000_000)
    with pytest.raises(ConfigError, match=r"stamp_ns is 20 ms before the last frame's"):
        source.push(IMAGE, now - 20_000_000)
    assert source.push(IMAGE, now) == 1
    source.end()
    with pytest.raises(ConfigError, match="the source has been ended"):
        source.push(IMAGE)


def test_frames_that_are_refused_are_no_sign_of_a_camera() -> None:
    source = PushSource()
    for wrong in ({"image": None}, {"image": IMAGE, "stamp_ns": math.nan}, {"image": IMAGE, "stamp_ns": -5}):
        with pytest.raises(ConfigError, match=r"push: (image is|stamp_ns is nan, give whole|stamp_ns is -5)"):
            source.push(**wrong)
    assert source.link.state is LinkState.CONNECTING and source._pushed_at == 0.0


@pytest.mark.parametrize("rate", [0, -1.0, math.nan, math.inf, "30", None])
def test_a_rate_is_above_zero(rate: object) -> None:
    with pytest.raises(ConfigError, match=r"push: rate is .*, give frames a second, above 0"):
        PushSource(rate=rate)  # type: ignore[arg-type]


def test_a_source_that_was_read_to_its_end_has_no_second_one() -> None:
    source = PushSource()
    source.push(IMAGE)
    source.end()
    assert len(list(source)) == 1
    with pytest.raises(ConfigError, match="read to its end; give a new node a new PushSource"):
        list(source)


def test_a_program_that_hands_in_no_frames_has_lost_its_camera() -> None:
    source = PushSource(rate=30.0)

    def link() -> Link:
        return source.link

    assert link().state is LinkState.CONNECTING
    source.push(IMAGE)
    assert link().state is LinkState.STREAMING
    deadline = time.monotonic() + 30
    while link().state is LinkState.STREAMING and time.monotonic() < deadline:
        time.sleep(0.02)
    assert link() == Link(LinkState.LOST, "no frame has been handed in for 1 s", connections=1)
    source.push(IMAGE)
    assert link().state is LinkState.STREAMING
