"""Sources on the buses of robotics software: what they are called, and what opens them."""

from perception.extras import load_late
from perception.interchange.buses.uris import ZENOH_OPTIONS, check_ros_name, zenoh_options
from perception.sources.base import Capture, Source, SourceKind, SourceUri
from perception.uri import Uri

_TOPIC, _KEY = "ros2:/camera/image/compressed", "zenoh:car/front/image/compressed"


def _read_ros(uri: Uri) -> None:
    check_ros_name(uri, _TOPIC)
    uri.options({})


def _open_ros(source: SourceUri, capture: Capture) -> Source:
    kind = load_late("perception.sources.ros:RosSource", f"source {source}")
    opened: Source = kind(source.uri, capture.camera, capture.max_pixels)
    return opened


def _open_zenoh(source: SourceUri, capture: Capture) -> Source:
    kind = load_late("perception.sources.zenoh:ZenohSource", f"source {source}")
    opened: Source = kind(source.uri, source.options, capture.camera, capture.max_pixels)
    return opened


ROS = SourceKind(f"a topic of ROS 2 ({_TOPIC})", _open_ros, read=_read_ros, needs=("rclpy", "rosbags"))
ZENOH = SourceKind(
    f"a key of Zenoh ({_KEY})",
    _open_zenoh,
    read=lambda uri: zenoh_options(uri, _KEY),
    needs=("zenoh", "rosbags"),
    options=ZENOH_OPTIONS,
)
