"""What sources on buses do with messages, without a bus."""

import time
from contextlib import AbstractContextManager, nullcontext
from itertools import islice

import numpy as np
import pytest

from perception.camera_info import Transform
from perception.classes import DRIVE
from perception.errors import SourceError
from perception.frame import Drop, DropReason, Frame
from perception.health.types import LinkState
from perception.interchange.ros.types import cdr, header, message
from perception.interchange.ros.vocabulary import RosVocabulary
from perception.picture_size import MAX_PIXELS
from perception.sources.bus import BusSource, camera_info_beside
from perception.sources.registry import SOURCES
from tests.buses.programs import INFO, a_scene

COMPRESSED = "sensor_msgs/msg/CompressedImage"
MOUNTS = (
    Transform("base_link", "lens", (1.5, -0.25, 1.25), (0.5, -0.5, 0.5, -0.5)),
    Transform("base_link", "lidar", (0.0, 0.0, 2.0), (0.0, 0.0, 0.0, 1.0)),
)


class NoBus(BusSource):
    def __init__(self) -> None:
        super().__init__(SOURCES.parse("zenoh:car/image").uri, "front", MAX_PIXELS)

    def _open(self) -> AbstractContextManager[None]:
        return nullcontext()

    def _look(self) -> str:
        return "nobody is there"


def sent(name: str, frame: Frame) -> bytes:
    vocabulary = RosVocabulary("front", DRIVE)
    messages = [
        *vocabulary.scene(frame, a_scene()[1], frame.pixels, frame.wall_ns, {name}),
        *vocabulary.latched(frame, 1),
    ]
    return next(one.data for one in messages if one.channel.name == name)


def one_frame(source: BusSource) -> Frame:
    (frame,) = islice(source, 1)
    assert isinstance(frame, Frame)
    return frame


def test_frames_have_the_calibration_and_the_transforms_that_came_last() -> None:
    source = NoBus()
    lens, lidar = (Frame(np.zeros((32, 48, 3), np.uint8), 0, transforms=(mount,)) for mount in MOUNTS)
    take = source._transforms_taker()
    for frame in (lens, lidar, lens):
        take(sent("transforms", frame))
    taken = source._camera_info_taker("/car/image")
    taken(sent("calibration", a_scene()[0]))
    for data in (b"\0\1\0\0", b"\7\1\0\0", sent("calibration", a_scene()[0])[:-60]):
        taken(data)
    source._take(COMPRESSED, sent("picture", a_scene()[0]))
    frame = one_frame(source)
    assert set(frame.transforms) == set(MOUNTS)
    assert frame.camera_info == INFO
    assert (frame.wall_ns, frame.frame_id) == (a_scene()[0].wall_ns, "lens")
    (note,) = source.notes
    assert "a message sensor_msgs/msg/CameraInfo is passed over" in note
    source._take(COMPRESSED, sent("picture", Frame(np.zeros((16, 48, 3), np.uint8), 0, wall_ns=1)))
    other_size = next(item for item in source if isinstance(item, Frame))
    assert other_size.camera_info is None


def test_rectified_pictures_have_the_projection_and_no_distortion() -> None:
    source = NoBus()
    source._camera_info_taker("/car/image_rect")(sent("calibration", a_scene()[0]))
    source._take(COMPRESSED, sent("picture", a_scene()[0]))
    found = one_frame(source).camera_info
    assert found is not None
    assert set(found.d) == {0.0} and (found.k[0], found.k[2]) == (INFO.p[0], INFO.p[2])


def test_video_is_refused_and_after_pictures_dropped() -> None:
    source = NoBus()
    video = message(COMPRESSED, header=header(1, "lens"), format="h264", data=np.ones(9, np.uint8))
    source._take(COMPRESSED, cdr(video))
    with pytest.raises(SourceError, match="zenoh:car/image: sends video"):
        one_frame(source)
    source = NoBus()
    source._take(COMPRESSED, sent("picture", a_scene()[0]))
    one_frame(source)
    source._take(COMPRESSED, cdr(video))
    (drop,) = islice(source, 1)
    assert isinstance(drop, Drop) and drop.reason is DropReason.UNDECODABLE


@pytest.mark.parametrize("stamp_ns", [0, -60 * 10**9])
def test_a_stamp_of_zero_or_before_1970_is_none(stamp_ns: int) -> None:
    source = NoBus()
    frame, _ = a_scene()
    vocabulary = RosVocabulary("front", DRIVE)
    (unstamped,) = vocabulary.scene(frame, a_scene()[1], frame.pixels, stamp_ns, {"picture"})
    source._take(COMPRESSED, unstamped.data)
    before = time.time_ns()
    found = one_frame(source)
    assert before - 10**9 < found.wall_ns <= time.time_ns()  # that of arrival
    assert found.host_ns == found.stamp_ns > 0


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("text/plain", b"hello"),
        ("std_msgs/msg/String", b"\0\1\0\0"),
        (COMPRESSED, b""),
        (COMPRESSED, b"\7\1\0\0"),
    ],
)
def test_what_others_send_ends_no_camera_that_has_given_pictures(kind: str, data: bytes) -> None:
    source = NoBus()
    good = sent("picture", a_scene()[0])
    source._take(COMPRESSED, good)
    items = iter(source)
    assert isinstance(next(items), Frame)
    source._take(kind, data)
    strange = next(items)
    assert isinstance(strange, Drop) and strange.reason is DropReason.UNDECODABLE
    source._take(COMPRESSED, good)
    assert isinstance(next(items), Frame)


def test_it_ends_where_it_is_stopped() -> None:
    source = NoBus()
    source.stop()
    assert list(source) == []
    assert source.link.state is LinkState.ENDED


@pytest.mark.parametrize(
    ("topic", "beside"),
    [
        ("/camera/image", "/camera/camera_info"),
        ("/camera/image/compressed", "/camera/camera_info"),
        ("/image", "/camera_info"),
        ("image/compressed", "camera_info"),
    ],
)
def test_where_the_calibration_is(topic: str, beside: str) -> None:
    assert camera_info_beside(topic) == beside
