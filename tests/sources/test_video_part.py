"""A part of a video: `?start=&duration=`."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from perception.errors import ConfigError, SourceError
from perception.frame import Drop, Frame
from perception.sources.registry import open_source
from tests.sources.containers import write

RATE, COUNT = 20, 60
FORMATS = (
    ("a.mp4", {"g": "10", "bf": "2"}),
    ("frag.mp4", {"g": "10", "movflags": "frag_keyframe+empty_moov+default_base_moof"}),
    ("a.mkv", {"g": "10", "bf": "2"}),
    ("a.ts", {"g": "10", "bf": "2"}),
    ("open.mp4", {"g": "12", "bf": "3", "x264-params": "open-gop=1:keyint=12:min-keyint=12:scenecut=0"}),
)


def read(uri: str) -> list[Frame]:
    with closing(open_source(uri)) as source:
        items = list(source)
    frames = [item for item in items if isinstance(item, Frame)]
    assert len(frames) == len(items) and not any(isinstance(item, Drop) for item in items)
    return frames


@pytest.fixture(scope="module", params=FORMATS, ids=lambda one: one[0])
def video(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name, options = request.param
    return write(tmp_path_factory.mktemp("videos") / name, COUNT, RATE, first=100, **options)


@pytest.mark.parametrize("first", [1, 10, 24, 25, 59])
def test_the_frames_of_a_part_are_those_of_the_whole(video: Path, first: int) -> None:
    whole = read(str(video))
    part = read(f"{video}?start={first / RATE}")
    assert [frame.stamp_ns for frame in part] == [frame.stamp_ns for frame in whole[first:]]
    assert [frame.sequence for frame in part] == list(range(COUNT - first))
    for one, same in zip(part, whole[first:], strict=True):
        assert np.array_equal(one.image, same.image)


def test_a_part_ends_after_its_duration(video: Path) -> None:
    whole = read(str(video))
    for start, duration, expected in ((0, 1, whole[:20]), (0.5, 0.25, whole[10:15]), (2.5, 9, whole[50:])):
        part = read(f"{video}?start={start}&duration={duration}")
        assert [frame.stamp_ns for frame in part] == [frame.stamp_ns for frame in expected]
        if video.suffix == ".mp4":  # the others say no count
            with closing(open_source(f"{video}?start={start}&duration={duration}")) as source:
                assert source.length in (len(expected), None)  # fragments say none either


def test_a_part_goes_on_where_the_clock_of_a_file_begins_again(tmp_path: Path) -> None:
    """Recordings put one after another, as stamps have them: a duration is not counted anew."""
    path = write(tmp_path / "a.ts", COUNT, RATE, g="10")
    path.write_bytes(2 * path.read_bytes())
    whole = read(str(path))
    assert len(whole) == 2 * COUNT
    assert [frame.stamp_ns for frame in read(f"{path}?duration=4")] == [one.stamp_ns for one in whole[:80]]


def test_a_start_between_two_frames_is_the_next_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", COUNT, RATE, g="10")
    assert read(f"{path}?start=1.01")[0].stamp_ns == Fraction(21, RATE) * 10**9


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_a_file_that_is_cut_off_is_reported_by_its_last_part_only(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, COUNT, RATE, movflags="faststart" if name == "a.mp4" else "", g="10")
    path.write_bytes(path.read_bytes()[: int(0.8 * path.stat().st_size)])
    assert len(read(f"{path}?start=0.5&duration=1")) == RATE
    with pytest.raises(SourceError, match="cut off after"):
        read(f"{path}?start=1")


@pytest.mark.parametrize("name", ["a.h264", "a.avi"])
def test_without_times_there_are_no_parts(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, 5, RATE, codec="libx264" if name == "a.h264" else "mjpeg")
    for part in ("start=1", "duration=1"):
        with pytest.raises(ConfigError, match="no times; leave out start and duration"):
            open_source(f"{path}?{part}")


def test_a_part_is_refused_that_is_no_time(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="start = '-1' is refused"):
        open_source(f"{write(tmp_path / 'a.mp4', 2)}?start=-1")
