"""Times in the names of images: found where they are, and nowhere else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.frame import Frame
from perception.sources.name_stamps import name_stamps
from perception.sources.registry import open_source

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write(folder: Path, stems: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        cv2.imwrite(str(folder / f"{stem}.png"), np.zeros((8, 8, 3), np.uint8))
    return folder


def read(uri: str | Path) -> tuple[list[Frame], list[str], float]:
    source = open_source(str(uri))
    frames = [item for item in source if isinstance(item, Frame)]
    return frames, source.notes, source.rate


NUSCENES = [
    f"n015-2018-07-24-11-22-45+0800__CAM_FRONT__{stamp}"
    for stamp in (1532402927612460, 1532402928112460, 1532402928612460, 1532402931162460)
]
TUM = ["1305031102.175304", "1305031102.211214", "1305031102.243211", "1305031105.275326"]
SERIES = {  # names → ns of each, and of the first one since 1970
    "nuScenes, µs": (NUSCENES, [0, 500_000_000, 10**9, 3_550_000_000], 1532402927612460000),
    "TUM, s": (TUM, [0, 35_910_000, 67_907_000, 3_100_022_000], 1305031102175304000),
    "TUM without zeros at the end": (
        ["1305031102.1", "1305031102.13", "1305031102.165"],
        [0, 30_000_000, 65_000_000],
        1305031102100000000,
    ),
    "EuRoC, ns": (
        ["1403636579763555584", "1403636579813555456", "1403636579863555584"],
        [0, 49_999_872, 100_000_000],
        1403636579763555584,
    ),
    "ROS, s_ns": (
        ["f_1403636579_963555584", "f_1403636580_013555456"],
        [0, 49_999_872],
        1403636579963555584,
    ),
    "ms": (
        ["img-1650000000000", "img-1650000000040", "img-1650000000080"],
        [0, 40 * 10**6, 80 * 10**6],
        165 * 10**16,
    ),
    "Argoverse, ns since 1980": (
        [
            "ring_front_center_315967376884866992",
            "ring_front_center_315967376918200320",
            "ring_front_center_315967376951533648",
        ],
        [0, 33_333_328, 66_666_656],
        0,
    ),
    "since boot, ns": (
        [f"frame_{8_123_456_789_012 + step}" for step in (0, 33_333_333, 66_666_666, 133_333_332)],
        [0, 33_333_333, 66_666_666, 133_333_332],
        0,
    ),
    "since boot, µs": (
        [str(8_123_456_789 + step) for step in (0, 50_000, 100_001)],
        [0, 50_000_000, 100_001_000],
        0,
    ),
}


@pytest.mark.parametrize("series", SERIES)
def test_times_in_names_stamp_the_frames(tmp_path: Path, series: str) -> None:
    stems, stamps, since_1970 = SERIES[series]
    frames, notes, _ = read(write(tmp_path, stems))
    assert [frame.stem for frame in frames] == stems
    assert [frame.stamp_ns for frame in frames] == stamps
    assert [frame.wall_ns for frame in frames] == [since_1970 and since_1970 + stamp for stamp in stamps]
    [note] = notes
    assert note.startswith(f"{tmp_path}: stamped by the times in the files' names (")
    assert ("since 1970" in note) == bool(since_1970)


def test_the_rate_is_the_usual_one_and_gaps_stay(tmp_path: Path) -> None:
    stems = [str(1_600_000_000_000_000 + 100_000 * k) for k in range(30) if k not in range(10, 20)]
    frames, _, rate = read(write(tmp_path, stems))
    assert rate == pytest.approx(10)
    assert frames[10].stamp_ns - frames[9].stamp_ns == 1_100_000_000
    assert {frame.recording for frame in frames} == {0}


def test_another_drive_goes_on_after_the_first(tmp_path: Path) -> None:
    stems = [
        f"a{drive}_{start + 50_000 * k}"
        for drive, start in ((1, 17 * 10**14), (2, 16 * 10**14))
        for k in range(10)
    ]
    frames, notes, _ = read(write(tmp_path, stems))
    assert [frame.stem for frame in frames] == stems
    assert [frame.stamp_ns for frame in frames] == [50_000_000 * k for k in range(20)]
    assert [frame.recording for frame in frames] == [0] * 10 + [1] * 10
    assert frames[10].wall_ns == 16 * 10**17
    assert "another recording begins at frame 10" in notes[1]


@pytest.mark.parametrize("rate", ["10", "2.5"])
def test_a_rate_stamps_a_folder(tmp_path: Path, rate: str) -> None:
    frames, notes, nominal = read(f"{write(tmp_path, ['000001', '000002', '000007'])}?rate={rate}")
    assert [frame.stamp_ns for frame in frames] == [round(k * 1e9 / float(rate)) for k in range(3)]
    assert (notes, nominal) == ([], float(rate))


def test_a_rate_wins_over_times_in_names_and_says_so(tmp_path: Path) -> None:
    frames, notes, _ = read(f"{write(tmp_path, NUSCENES)}?rate=2")
    assert [frame.stamp_ns for frame in frames] == [500_000_000 * k for k in range(4)]
    assert [frame.wall_ns for frame in frames] == [0] * 4
    assert "stamped at the rate of 2 a second, not by the times in the files' names" in notes[0]


def test_names_of_which_some_carry_no_time_are_said(tmp_path: Path) -> None:
    frames, notes, _ = read(write(tmp_path, [*NUSCENES, "overview"]))
    assert [frame.stamp_ns for frame in frames] == [40_000_000 * k for k in range(5)]
    assert notes == [f"{tmp_path}: only some names carry times; taken for 25 a second, ?rate= sets it"]


def test_kittis_lists_stamp_its_frames(tmp_path: Path) -> None:
    """Raw recordings and odometry: names are the numbers of lines; a frame may be missing."""
    lines = [f"2011-09-26 13:02:2{5 + k}.96438944{k}" for k in range(4)]
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "timestamps.txt").write_text("\n".join(lines) + "\n")
    folder = write(tmp_path / "raw" / "data", [f"{k:010d}" for k in (0, 1, 3)])
    frames, notes, _ = read(folder)
    assert [frame.stamp_ns for frame in frames] == [0, 1_000_000_001, 3_000_000_003]
    assert [frame.wall_ns for frame in frames] == [0] * 3  # the zone is not said
    assert notes == [f"{folder}: stamped by the times in {tmp_path / 'raw' / 'timestamps.txt'}"]
    odometry = write(tmp_path / "00" / "image_2", [f"{k:06d}" for k in range(3)])
    (tmp_path / "00" / "times.txt").write_text("0.000000e+00\n1.036224e-01\n2.072586e-01\n")
    assert [frame.stamp_ns for frame in read(odometry)[0]] == [0, 103_622_400, 207_258_600]


@pytest.mark.parametrize("text", ["", "1\n2\n", "now\nthen\nlater\nend\n", "3\n2\n1\n0\n"])
def test_other_lists_stamp_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "times.txt").write_text(text)
    frames, notes, _ = read(write(tmp_path / "image_2", [f"{k:06d}" for k in range(4)]))
    assert ([frame.stamp_ns for frame in frames], notes) == ([40_000_000 * k for k in range(4)], [])


@pytest.mark.parametrize(
    "stems",
    [
        ["aachen_000000_000019_leftImg8bit", "aachen_000001_000019_leftImg8bit"],
        ["0016E5_07959", "0016E5_07961", "0016E5_07963"],
        ["20180724112245", "20180724112246", "20180724112247"],  # a date, not ms
        ["2018072411224500", "2018072411224533", "2018072411224566"],  # nor µs
        ["2018072400010", "2018072400020", "2018072400030"],
        ["170908_061502408_Camera_5", "170908_061502525_Camera_5"],
        ["1532402927001", "1532402927002", "1532402927003"],  # seconds and a number of frames
        ["1532402927000001", "1532402927000002", "1532402927000003"],
        ["1305031102.000001", "1305031102.000002", "1305031102.000003"],
        ["1305031102", "1305031103", "1305031104"],
        ["000000000139", "000000000285", "000000000632", "000000000724"],
        ["2007_000033", "2007_000042", "2007_000061"],
        ["v1.25", "v1.50", "v1.75"],
        ["1532402927612460", "1532402927612460_1"],
        ["1532402927612460"],
        ["²1", "²2"],
    ],
)
def test_other_numbers_are_no_times(stems: list[str]) -> None:
    assert name_stamps(stems) is None


@settings(max_examples=300)
@given(
    prefix=st.sampled_from(
        ["", "frame_", "f", "left-", "drive12_", "2018-07-24_", "1532402927_", "cam0.", "x1.5_"]
    ),
    suffix=st.sampled_from(["", "_leftImg8bit", "-left", "_10"]),
    first=st.integers(0, 10**6) | st.sampled_from([10**9 + 7, 10**11]),
    steps=st.lists(st.integers(1, 1000), min_size=1, max_size=60)
    | st.builds(lambda step, n: [step] * n, st.integers(1, 3999), st.integers(1, 60)),
    width=st.sampled_from([0, 4, 6, 8, 10, 12, 16, 19]),
)
def test_numbers_of_frames_are_never_times(
    prefix: str, suffix: str, first: int, steps: list[int], width: int
) -> None:
    """In any width, from any first one, every one, every n-th, or with some missing."""
    numbers = [first + sum(steps[:k]) for k in range(len(steps) + 1)]
    assert name_stamps([f"{prefix}{number:0{width}d}{suffix}" for number in numbers]) is None


@settings(max_examples=200)
@given(data=st.data(), count=st.integers(5, 60))
def test_spread_ids_are_never_times(data: st.DataObject, count: int) -> None:
    """As those of photographs: without a period."""
    seed = data.draw(st.integers(0, 2**32 - 1))
    digits = data.draw(st.integers(6, 11))
    ids = sorted(set(np.random.default_rng(seed).integers(0, 10**digits, count).tolist()))
    assert name_stamps([str(one) for one in ids]) is None


@settings(max_examples=300)
@given(
    start=st.datetimes(datetime(2001, 9, 10), datetime(2033, 1, 1), timezones=st.just(UTC)),
    periods_us=st.lists(st.integers(5_000, 1_000_000), min_size=1, max_size=40),
    unit=st.sampled_from(["ms", "µs", "ns", "s"]),
    prefix=st.sampled_from(["", "img_", "n015-2018-07-24-11-22-45+0800__CAM_FRONT__", "cam0-000001-"]),
)
def test_times_since_1970_are_read_exactly(
    start: datetime, periods_us: list[int], unit: str, prefix: str
) -> None:
    step = 1000 if unit == "ms" else 1
    times = [start + timedelta(microseconds=sum(periods_us[:k])) for k in range(len(periods_us) + 1)]
    us = [(time - EPOCH) // timedelta(microseconds=1) // step * step for time in times]
    write_as: dict[str, Callable[[int], str]] = {
        "ms": lambda value: str(value // 1000),
        "µs": str,
        "ns": lambda value: f"{value}000",
        "s": lambda value: f"{value // 10**6}.{value % 10**6:06d}",
    }
    found = name_stamps([prefix + write_as[unit](value) for value in us])
    assert found is not None and found.since_1970 and found.unit == unit
    assert list(found.ns) == [1000 * value for value in us]


@settings(max_examples=200)
@given(
    boot=st.integers(10**11, 4 * 10**15),
    period=st.integers(10_000_000, 500_000_000),
    jitter=st.lists(st.floats(-0.2, 0.2), min_size=4, max_size=40),
)
def test_times_since_boot_are_read_in_ns(boot: int, period: int, jitter: list[float]) -> None:
    ns = [boot + 200 * period + k * period + round(shift * period) for k, shift in enumerate(jitter)]
    found = name_stamps([f"frame_{one}" for one in ns])
    assert found is not None and list(found.ns) == ns and not found.since_1970


@pytest.mark.parametrize(("unit", "period"), [("ms", 5_000), ("µs", 5_000_000), ("ns", 20_000_000_000)])
def test_a_time_lapse_is_read_in_its_own_unit(unit: str, period: int) -> None:
    scale = {"ms": 10**6, "µs": 10**3, "ns": 1}[unit]
    found = name_stamps([str(1_700_000_000 * 10**9 // scale + k * period) for k in range(30)])
    assert found is not None and (found.unit, found.since_1970) == (unit, True)
