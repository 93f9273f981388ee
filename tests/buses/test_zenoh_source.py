"""Pictures of another program over Zenoh."""

from collections.abc import Generator, Iterator
from threading import Event, Thread
from typing import cast

import cv2
import numpy as np
import pytest
import zenoh

from perception.errors import SourceError
from perception.frame import DropReason, Frame
from perception.health.types import LinkState
from perception.interchange.buses.uris import ZenohOptions
from perception.interchange.buses.zenoh_session import open_session
from perception.interchange.messages.jpeg import encode_jpeg
from perception.interchange.ros import types as ros_types
from tests.buses.following import Following
from tests.buses.programs import INFO, Program, a_scene, free_endpoint, until
from tests.sources.live import live_source

KEY = "car/front/image"


@pytest.fixture
def endpoint() -> str:
    return free_endpoint()


@pytest.fixture
def session(endpoint: str) -> Iterator[zenoh.Session]:
    with open_session(ZenohOptions(listen=endpoint)) as one:
        yield one


def picture(value: int = 7, encoding: str = "mono8") -> bytes:
    return ros_types.cdr(
        ros_types.message(
            "sensor_msgs/msg/Image",
            header=ros_types.header(1_700_000_000_000_000_000 + value, "lens"),
            height=2,
            width=4,
            encoding=encoding,
            is_bigendian=0,
            step=4,
            data=np.full(8, value, np.uint8),
        )
    )


def test_a_camera_and_a_router_that_are_killed_and_come_back(endpoint: str) -> None:
    with Following(f"zenoh:{KEY}/compressed?connect={endpoint}") as following:
        with Program("zenoh_talker.py", "router", endpoint):
            with Program("zenoh_talker.py", "camera", endpoint):
                following.until_link(LinkState.STREAMING)
                until(lambda: following.frame().camera_info == INFO)
                frame = following.frame()
                sequence = frame.wall_ns - 1_700_000_000_123_456_000
                sent, _ = a_scene(sequence)
                assert frame.coded is not None
                assert frame.coded.data == encode_jpeg(sent.pixels)
                np.testing.assert_array_equal(
                    frame.image, cv2.imdecode(np.frombuffer(frame.coded.data, np.uint8), cv2.IMREAD_COLOR)
                )
                assert (frame.camera, frame.frame_id) == ("left", "lens")
            following.until_link(LinkState.LOST)
            with Program("zenoh_talker.py", "camera", endpoint):
                following.until_link(LinkState.STREAMING)
        following.until_link(LinkState.LOST)
        with Program("zenoh_talker.py", "router", endpoint), Program("zenoh_talker.py", "camera", endpoint):
            following.until_link(LinkState.STREAMING)
        assert following.source.link.connections == 3


def test_without_an_encoding_the_key_says_what_it_is(session: zenoh.Session, endpoint: str) -> None:
    with Following(f"zenoh:{KEY}?connect={endpoint}") as following:

        def streams() -> bool:
            session.put(KEY, picture())
            return following.newest is not None

        until(streams)
        assert following.newest is not None
        assert np.all(following.newest.image == 7)
        assert following.newest.image.shape == (2, 4, 3)


def test_it_can_be_read_again(session: zenoh.Session, endpoint: str) -> None:
    """As a node does after a fault that it did not foresee."""
    source = live_source(f"zenoh:{KEY}?connect={endpoint}")

    def publish() -> None:
        while not over.wait(0.05):
            session.put(KEY, picture())

    over = Event()
    publisher = Thread(target=publish)
    publisher.start()
    try:
        for _ in range(2):
            reading = iter(source)
            assert np.all(cast(Frame, next(reading)).image == 7)
            cast(Generator[Frame], reading).close()
    finally:
        over.set()
        publisher.join()
        source.close()


def test_only_the_newest_waits_and_the_rest_is_counted(session: zenoh.Session, endpoint: str) -> None:
    with Following(f"zenoh:{KEY}?connect={endpoint}") as following:

        def streams() -> bool:
            session.put(KEY, picture(0))
            return following.newest is not None

        until(streams)
        following.pause_s = 0.3
        for value in range(1, 100):
            session.put(KEY, picture(value))
        until(lambda: following.newest is not None and following.newest.image[0, 0, 0] == 99)
        assert len(following.drops) >= 90
        assert {one.reason for one in following.drops} == {DropReason.SUPERSEDED}


def test_damage_is_dropped_and_counted(session: zenoh.Session, endpoint: str) -> None:
    with Following(f"zenoh:{KEY}?connect={endpoint}") as following:

        def dropped() -> bool:
            session.put(KEY, picture()[:-3])
            return bool(following.drops)

        until(dropped)
        assert DropReason.UNDECODABLE in {one.reason for one in following.drops}
        assert following.newest is None


@pytest.mark.parametrize("encoding", ["image/jpeg", "application/cdr;std_msgs/msg/String"])
def test_what_is_no_picture_ends_it(encoding: str, session: zenoh.Session, endpoint: str) -> None:
    with Following(f"zenoh:{KEY}?connect={endpoint}") as following:

        def refused() -> bool:
            session.put(KEY, b"\0\1\0\0", encoding=encoding)
            return following.error is not None

        until(refused)
        assert isinstance(following.error, SourceError)
        assert encoding.rpartition(";")[2] in str(following.error)
