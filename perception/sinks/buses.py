"""Sinks on the buses of robotics software: what they are called, and what opens them."""

from dataclasses import dataclass
from functools import partial

from perception.extras import load_late
from perception.interchange.buses.uris import ZENOH_OPTIONS, check_ros_name, zenoh_options
from perception.sinks.base import Opening, Sink, SinkKind, SinkUri
from perception.uri import Uri, switch


@dataclass(frozen=True, slots=True)
class RosOptions:
    """`managed`: a lifecycle manager says when scenes are published; `clock`: frames give the time."""

    managed: bool = False
    clock: bool = False


def _read_ros(uri: Uri) -> RosOptions:
    check_ros_name(uri, "ros2:/car/front")
    return RosOptions(**uri.options({"managed": switch, "clock": switch}))


def _open(where: str, sink: SinkUri, opening: Opening) -> Sink:
    opened: Sink = load_late(where, f"sink {sink}")(sink, opening)
    return opened


ROS = SinkKind(
    "topics of ROS 2 (ros2:/car/front)",
    partial(_open, "perception.sinks.ros:RosSink"),
    read=_read_ros,
    needs=("rclpy", "rosbags"),
    options={
        "managed": "1: scenes are published while a lifecycle manager has the node active",
        "clock": "1: /clock has the frames' time, for nodes that follow a recording",
    },
)
ZENOH = SinkKind(
    "keys of Zenoh (zenoh:car/front)",
    partial(_open, "perception.sinks.zenoh:ZenohSink"),
    needs=("zenoh", "rosbags"),
    read=lambda uri: zenoh_options(uri, "zenoh:car/front"),
    options=ZENOH_OPTIONS,
)
