"""Pictures of another program over ROS 2."""

import time
from collections.abc import Generator
from typing import cast

import numpy as np
import pytest

from perception.errors import SourceError
from perception.frame import DropReason, Frame
from perception.health.types import LinkState
from perception.interchange.ros import types as ros_types
from tests.buses.following import Following
from tests.buses.programs import Program, own_domain, until
from tests.sources.live import live_source

pytest.importorskip("rclpy")


@pytest.fixture(autouse=True)
def _domain(monkeypatch: pytest.MonkeyPatch) -> None:
    own_domain(monkeypatch)


@pytest.mark.parametrize("reliability", ["RELIABLE", "BEST_EFFORT"])
def test_a_publisher_that_is_killed_and_comes_back(reliability: str) -> None:
    with Following("ros2:/car/image") as following:
        assert following.source.link.state is LinkState.CONNECTING
        with Program("ros_talker.py", "/car/image", reliability):
            following.until_link(LinkState.STREAMING)
            frame = following.frame()
            assert frame.image.shape == (24, 32, 3)
            assert np.all(frame.image == (20, 10, 200))  # BGR, without the padding
            assert (frame.camera, frame.frame_id) == ("left", "lens")
            assert abs(frame.wall_ns - time.time_ns()) < 20e9
            assert 0 <= time.monotonic_ns() - frame.host_ns < 20e9
            assert frame.stamp_ns == frame.host_ns
            until(lambda: following.frame().camera_info is not None)
            frame = following.frame()
            assert frame.camera_info is not None
            assert frame.camera_info.k == (700.0, 0.0, 15.5, 0.0, 701.0, 11.5, 0.0, 0.0, 1.0)
        following.until_link(LinkState.LOST)
        with Program("ros_talker.py", "/car/image", "BEST_EFFORT"):
            following.until_link(LinkState.STREAMING)
            following.frame()
        assert following.source.link.connections == 2


def test_it_can_be_read_again() -> None:
    """As a node does after a fault that it did not foresee."""
    source = live_source("ros2:/car/image")
    with Program("ros_talker.py", "/car/image", "RELIABLE"):
        for _ in range(2):
            reading = iter(source)
            assert cast(Frame, next(reading)).image.shape == (24, 32, 3)
            cast(Generator[Frame], reading).close()
    source.close()


def test_only_the_newest_waits_and_the_rest_is_counted() -> None:
    with Following("ros2:/car/image") as following, Program("ros_talker.py", "/car/image", "RELIABLE"):
        following.frame()
        following.pause_s = 0.5  # ten pictures
        for _ in range(3):
            following.frame()
        following.pause_s = 0.0
        assert len(following.drops) >= 10
        assert {one.reason for one in following.drops} == {DropReason.SUPERSEDED}
        assert following.source.link.waited_ms < 10_000


def test_a_topic_of_another_type_is_waited_for_and_named() -> None:
    with Following("ros2:/car/camera_info") as following, Program("ros_talker.py", "/car/image", "RELIABLE"):
        until(lambda: "sensor_msgs/msg/CameraInfo" in following.source.link.reason)
        assert following.source.link.state is LinkState.CONNECTING


def test_a_picture_that_is_none_ends_it() -> None:
    from perception.interchange.buses.ros_node import RosNode  # noqa: PLC0415 - skipped without ROS

    image = ros_types.message(
        "sensor_msgs/msg/Image",
        header=ros_types.header(1, "lens"),
        height=1,
        width=1,
        encoding="32FC1",
        is_bigendian=0,
        step=4,
        data=np.zeros(4, np.uint8),
    )
    node = RosNode("depth", "/")
    publisher = node.publisher("sensor_msgs/msg/Image", "/car/depth")

    def refused() -> bool:
        publisher.publish(ros_types.cdr(image))
        return following.error is not None

    with Following("ros2:/car/depth") as following:
        until(refused)
        assert isinstance(following.error, SourceError)
        assert "ros2:/car/depth" in str(following.error)
        assert "32FC1" in str(following.error)
    node.close()


def test_a_type_that_is_defined_otherwise_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    from sensor_msgs.msg import CompressedImage  # noqa: PLC0415 - skipped without ROS

    from perception.interchange.buses.ros_node import message_class  # noqa: PLC0415

    assert message_class("sensor_msgs/msg/CompressedImage") is CompressedImage
    fields = {"header": "std_msgs/Header", "data": "sequence<uint8>", "format": "string"}
    monkeypatch.setattr(CompressedImage, "get_fields_and_field_types", lambda: fields)
    with pytest.raises(
        TypeError, match="has the fields header, data, format, known are header, format, data"
    ):
        message_class("sensor_msgs/msg/CompressedImage")
