"""Rates and splices of recordings as others write them; how each was built says what is right."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from perception.errors import ConfigError
from perception.sources.registry import open_source
from perception.sources.splice import Timeline
from tests.media import picture, write_video
from tests.sources.containers import every, join, milliseconds, read, write


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
