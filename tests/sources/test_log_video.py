"""Video in messages: each picture is the one that a decoder of the whole stream gives, or dropped."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo

from perception.errors import SourceError
from perception.frame import Drop, Frame
from perception.sources.log.units import FrameNumbers
from perception.sources.registry import open_source
from tests.sources.logs import PERIOD_NS, START_NS, McapLog, protobuf

LENGTH, GOP = 40, 10
ENCODERS = {
    "h264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
    "h265": (
        "libx265",
        {"preset": "ultrafast", "tune": "zerolatency", "x265-params": "log-level=0:bframes=0"},
    ),
}
NAMES = {"h264": "h264", "h265": "hevc"}


def encoded(codec: str, options: dict[str, str] | None = None) -> list[bytes]:
    """Access units of a camera that moves sideways, with a key frame each ten."""
    name, usual = ENCODERS[codec]
    context: Any = av.CodecContext.create(name, "w")
    context.width, context.height, context.pix_fmt = 160, 96, "yuv420p"
    context.time_base, context.framerate, context.gop_size = Fraction(1, 20), Fraction(20), GOP
    context.options = usual | (options or {})
    wide = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (96, 400, 3), np.uint8), (9, 9), 3)
    packets = []
    for index in range(LENGTH):
        picture: Any = np.ascontiguousarray(wide[:, 4 * index : 4 * index + 160])
        frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
        frame.pts = index
        packets += context.encode(frame)
    return [bytes(packet) for packet in [*packets, *context.encode(None)]]


@cache
def stream(codec: str) -> tuple[list[bytes], list[Any]]:
    """The access units, and what they show."""
    packets = encoded(codec)
    context: Any = av.CodecContext.create(NAMES[codec], "r")
    context.thread_count = 1
    pictures = [picture for data in packets for picture in context.decode(av.Packet(data))]
    pictures += context.decode(None)
    return packets, [picture.to_ndarray(format="bgr24") for picture in pictures]


def write(path: Path, packets: Sequence[bytes], codec: str, lost: Sequence[int] = ()) -> Path:
    log = McapLog(path)
    for index, data in enumerate(packets):
        if index not in lost:
            stamp_ns = START_NS + index * PERIOD_NS
            log.add("/front/video", stamp_ns, protobuf(CompressedVideo, stamp_ns, data=data, format=codec))
    return log.close()


def shown(uri: Any, truth: Sequence[Any]) -> tuple[dict[int, Frame], list[Drop]]:
    """By their places in the stream; each picture is right."""
    source = open_source(str(uri))
    frames, drops = {}, []
    for sequence, item in enumerate(source):
        assert item.sequence == sequence
        if isinstance(item, Drop):
            drops.append(item)
            continue
        index, rest = divmod(item.wall_ns - START_NS, PERIOD_NS)
        assert rest == 0
        assert (item.image == truth[index]).all()
        frames[index] = item
    source.close()
    return frames, drops


@pytest.mark.parametrize("codec", ENCODERS)
def test_every_message_is_a_picture_and_is_handed_on_as_it_came(codec: str, tmp_path: Path) -> None:
    packets, truth = stream(codec)
    frames, drops = shown(write(tmp_path / "x.mcap", packets, codec), truth)
    assert (list(frames), drops) == (list(range(LENGTH)), [])
    for index, frame in frames.items():
        assert frame.coded is not None
        assert (frame.coded.format, frame.coded.data) == (codec, packets[index])
        assert frame.coded.key == (index % GOP == 0)


@pytest.mark.parametrize("codec", ENCODERS)
@pytest.mark.parametrize("lost", [(0,), (13,), (13, 14, 15), (19,), (20,)])
def test_after_a_lost_message_nothing_is_shown_up_to_the_next_key_frame(
    codec: str, lost: tuple[int, ...], tmp_path: Path
) -> None:
    packets, truth = stream(codec)
    frames, drops = shown(write(tmp_path / "x.mcap", packets, codec, lost), truth)
    next_key = (max(lost) // GOP + 1) * GOP
    after = range(max(lost) + 1, next_key)
    assert set(range(LENGTH)) - frames.keys() == {*lost, *after}
    assert len(drops) == len(after)
    assert all("damaged or missing" in drop.message for drop in drops)


@pytest.mark.parametrize("codec", ENCODERS)
def test_a_message_of_noise_loses_the_pictures_up_to_the_next_key_frame(codec: str, tmp_path: Path) -> None:
    packets, truth = stream(codec)
    for noise in (b"", b"\0\0\0\1" + bytes(range(1, 200))):
        damaged = [*packets[:13], noise, *packets[14:]]
        frames, drops = shown(write(tmp_path / "x.mcap", damaged, codec), truth)
        assert set(range(LENGTH)) - frames.keys() == set(range(13, 20))
        assert len(drops) == 7


@pytest.mark.parametrize("codec", ENCODERS)
def test_a_part_begins_exactly_where_it_should(codec: str, tmp_path: Path) -> None:
    packets, truth = stream(codec)
    path = write(tmp_path / "x.mcap", packets, codec)
    frames, drops = shown(f"{path}?start=0.74&duration=0.5", truth)
    assert (list(frames), drops) == (list(range(15, 25)), [])
    assert frames[15].stamp_ns == 15 * PERIOD_NS


def test_a_key_frame_without_parameter_sets_is_handed_on_with_them(tmp_path: Path) -> None:
    packets, truth = stream("h264")
    key = packets[20]
    bare = b"\0" + key[key.index(b"\0\0\1\x65") :]  # the slice of the IDR picture alone
    frames, drops = shown(write(tmp_path / "x.mcap", [*packets[:20], bare, *packets[21:]], "h264"), truth)
    assert not drops
    coded = frames[20].coded
    assert coded is not None
    assert coded.key
    alone: Any = av.CodecContext.create("h264", "r")
    alone.thread_count = 1
    pictures = [*alone.decode(av.Packet(coded.data)), *alone.decode(None)]
    assert (pictures[0].to_ndarray(format="bgr24") == truth[20]).all()


def with_b_frames() -> list[bytes]:
    return encoded("h264", {"tune": "film", "x264-params": "b-pyramid=none:bframes=1:b-adapt=0"})


def test_video_with_b_frames_comes_whole_and_is_not_handed_on(tmp_path: Path) -> None:
    source = open_source(str(write(tmp_path / "x.mcap", with_b_frames(), "h264")))
    items = list(source)
    source.close()
    assert len(items) == LENGTH
    assert all(isinstance(item, Frame) and item.coded is None for item in items)


def test_a_loss_among_b_frames_is_mended_by_the_next_key_frame(tmp_path: Path) -> None:
    source = open_source(str(write(tmp_path / "x.mcap", with_b_frames(), "h264", (1,))))
    items = list(source)
    source.close()
    assert len(items) == LENGTH - 1
    good = [(item.wall_ns - START_NS) // PERIOD_NS for item in items if isinstance(item, Frame)]
    assert good[:2] == [10, 12]
    assert set(range(10, LENGTH)) <= set(good)
    assert not source.notes


def test_only_a_lost_picture_that_others_refer_to_is_missed() -> None:
    packets = with_b_frames()
    for lost in range(1, 8):  # the tenth is the next key frame
        numbers = FrameNumbers()
        found = [numbers.missing(data) for data in packets[:lost] + packets[lost + 1 : 11]]
        unit = packets[lost].rindex(b"\0\0\1")
        referred = bool(packets[lost][unit + 3] & 0x60)
        assert found == [referred and index == lost for index in range(len(found))]


def test_an_unknown_codec_is_an_error(tmp_path: Path) -> None:
    packets, _ = stream("h264")
    with pytest.raises(SourceError, match="'vp9' is not read"):
        open_source(str(write(tmp_path / "x.mcap", packets[:2], "vp9")))
