"""What sources hand on of H.264 and H.265 without a second encoding."""

from pathlib import Path

import av
import numpy as np
import pytest
from av.video.codeccontext import VideoCodecContext
from hypothesis import given
from hypothesis import strategies as st

from perception.frame import Frame
from perception.pixels import Yuv420
from perception.sources.access_units import AccessUnits, annex_b, lengths_and_sets, parameter_sets
from perception.sources.video import VideoSource
from tests.h264 import decoded, unit_types, write_stream
from tests.sources import tagged
from tests.sources.tagged import matrix
from tests.sources.test_orientation import TURNS, cells

SPS, PPS, IDR, SLICE = b"\x67\1\2\3", b"\x68\4\5", b"\x65\x88\1", b"\x41\x9a\2"
START = b"\0\0\0\1"


def frames_of(path: Path) -> list[Frame]:
    return [item for item in VideoSource(path) if isinstance(item, Frame)]


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {}),
        ("a.mkv", "libx264", {}),
        ("a.ts", "libx264", {}),
        ("slices.mp4", "libx264", {"slices": "4"}),
        ("h265.mp4", "libx265", {"x265-params": "bframes=0:log-level=none"}),
    ],
)
def test_each_frame_holds_its_access_unit(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    """From each key frame on, another decoder shows the same pictures."""
    frames = frames_of(write_stream(tmp_path / name, 25, codec, **options))
    coded = [frame.coded for frame in frames if frame.coded]
    assert len(coded) == len(frames) == 25
    keys = [number for number, one in enumerate(coded) if one.key]
    assert keys == [0, 10, 20]
    form = "h265" if codec == "libx265" else "h264"
    assert {one.format for one in coded} == {form}
    for key in keys:
        assert parameter_sets(coded[key].data, form)
        shown = decoded([one.data for one in coded[key:]], "hevc" if form == "h265" else "h264")
        for planes, frame in zip(shown, frames[key:], strict=True):
            assert isinstance(frame.pixels, Yuv420)
            np.testing.assert_array_equal(planes, frame.pixels.i420)


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_reordered_pictures_are_not_handed_on(tmp_path: Path, codec: str) -> None:
    path = write_stream(tmp_path / "a.mp4", 25, codec, preset="medium", bf="2")
    assert not any(frame.coded for frame in frames_of(path))


def test_pictures_that_are_turned_are_not_handed_on(tmp_path: Path) -> None:
    for turned, handed_on in ((None, True), (matrix(*TURNS["90 clockwise"]), False)):
        path = tagged.write(tmp_path / "a.mp4", [cells()] * 3, turned)
        assert [bool(frame.coded) for frame in frames_of(path)] == [handed_on] * 3


def test_other_codecs_give_none(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 96, 160, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.zeros((96, 160, 3), np.uint8), format="bgr24")
        container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    [frame] = frames_of(tmp_path / "a.avi")
    assert frame.coded is None


def packet(data: bytes, key: bool, pts: int | None = 5) -> "av.Packet[av.VideoStream]":
    one = av.Packet(data)
    one.is_keyframe, one.pts = key, pts
    return one  # type: ignore[return-value]


def picture(pts: int) -> av.VideoFrame:
    one = av.VideoFrame(16, 16, "yuv420p")
    one.pts = pts
    return one


def units(extradata: bytes = b"") -> AccessUnits:
    context = av.CodecContext.create("h264", "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = extradata or None
    return AccessUnits(context)


def test_parameter_sets_that_were_told_once_stand_before_every_key_frame() -> None:
    some = units()
    told = START + SPS + START + PPS + START + IDR
    first = some.of(packet(told, True), picture(5))
    assert first is not None and first.data == told
    later = some.of(packet(START + IDR, True), picture(5))
    assert later is not None and later.data == told and later.key
    other = some.of(packet(START + SLICE, False), picture(5))
    assert other is not None and other.data == START + SLICE and not other.key
    ahead = units(START[1:] + SPS + START + PPS).of(packet(START + IDR, True), picture(5))
    assert ahead is not None and ahead.data == told
    assert units().of(packet(START + IDR, True), picture(5)) is None  # nobody has told them


def test_a_packet_that_is_not_the_picture_gives_none() -> None:
    told = START + SPS + START + PPS + START + IDR
    assert units().of(packet(told, True), picture(6)) is None
    assert units().of(packet(told, True, None), picture(5)) is None
    assert units().of(packet(b"", False), picture(5)) is None


def test_the_header_of_an_mp4() -> None:
    """avcC and hvcC, written by hand after ISO/IEC 14496-15."""
    avcc = b"\1\x64\0\x1f\xff\xe1\0\4" + SPS + b"\1\0\3" + PPS
    assert lengths_and_sets(avcc, "h264") == (4, START + SPS + START + PPS)
    vps, sps, pps = b"\x40\1\7", b"\x42\1\7", b"\x44\1\7"
    groups = b"".join(
        bytes([0x80 | kind]) + b"\0\1\0\3" + unit for kind, unit in ((32, vps), (33, sps), (34, pps))
    )
    hvcc = b"\1" + bytes(20) + b"\x0d" + b"\3" + groups
    assert lengths_and_sets(hvcc, "h265") == (2, START + vps + START + sps + START + pps)
    assert (
        parameter_sets(lengths_and_sets(hvcc, "h265")[1], "h265") == START + vps + START + sps + START + pps
    )
    some = units(avcc).of(packet(b"\0\0\0\3" + IDR, True), picture(5))
    assert some is not None and unit_types(some.data) == [7, 8, 5]


@given(st.lists(st.binary(min_size=1, max_size=40)), st.integers(1, 4))
def test_lengths_become_start_codes(parts: list[bytes], width: int) -> None:
    data = b"".join(len(part).to_bytes(width) + part for part in parts)
    assert annex_b(data, width) == b"".join(START + part for part in parts)


@given(st.binary(max_size=60), st.sampled_from(["h264", "h265"]), st.integers(0, 4))
def test_no_bytes_break_them(data: bytes, form: str, width: int) -> None:
    told_width, told = lengths_and_sets(b"\1" + data, form)
    assert 0 <= told_width <= 4
    assert parameter_sets(parameter_sets(told, form), form) == parameter_sets(told, form)
    turned = annex_b(data, width)
    assert (
        not turned
        or len(turned) == len(data) + (4 - width) * turned.count(START)
        or width == 0
        or START in data
    )
