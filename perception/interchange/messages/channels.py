"""A scene as typed messages on named channels, the way that logs and buses of robotics software have it."""

import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from perception.frame import Frame
from perception.health.types import Health
from perception.pixels import Pixels
from perception.scene import Scene, Status

# In the metadata of a log's channel: the channel's name, by which a reader knows the pictures among the maps.
ROLE, PICTURE = "perception", "picture"
# What is found in a frame: where it was not looked for, an empty message would say that nobody is there.
# Annotations are drawn over a picture, and empty ones take away those of the last.
FOUND = frozenset({"instances", "instances/compressed", "detections", "detections_3d", "road"})
# What a planner would act on. Most of its message types have no place for a status, so buses withhold it.
TRUSTED = FOUND | {"labels", "labels/compressed", "annotations"}


@dataclass(frozen=True, slots=True)
class Schema:
    """A message type.

    Attributes:
        name: such as foxglove.RawImage, or sensor_msgs/msg/Image.
        encoding: of the definition: protobuf, ros2msg or jsonschema.
        definition: as MCAP stores it for this encoding.
        message_encoding: protobuf, cdr or json.
    """

    name: str
    encoding: str
    definition: bytes
    message_encoding: str


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic of one camera.

    Attributes:
        name: what it carries: picture, overlay, labels, instances, annotations, …
        topic: such as /front/labels.
        latched: whoever subscribes late gets the newest message at once.
    """

    name: str
    topic: str
    schema: Schema
    latched: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `stamp_ns` is of its frame, since the epoch, and the time of logging and publishing."""

    channel: Channel
    stamp_ns: int
    data: bytes


class Vocabulary(Protocol):
    """Scenes of one camera in one family of message types: Foxglove's, or those of ROS 2."""

    @property
    def channels(self) -> Mapping[str, Channel]:
        """By their names."""
        ...

    def scene(
        self, frame: Frame, scene: Scene, overlay: Pixels, stamp_ns: int, wanted: Container[str]
    ) -> Iterator[Message]:
        """The messages of one frame, only of the channels that are `wanted`: nothing else is encoded."""
        ...

    def health(self, health: Health, stamp_ns: int) -> Iterator[Message]:
        """The node's state."""
        ...

    def latched(self, frame: Frame, stamp_ns: int) -> Iterator[Message]:
        """What does not change from frame to frame: classes, calibration, transforms."""
        ...


def looked_for(scene: Scene, wanted: frozenset[str]) -> frozenset[str]:
    """What of the wanted channels says something of this scene."""
    perceived = scene.status not in {Status.NOT_READY, Status.NO_SIGNAL}
    return wanted if perceived and not scene.left_out else wanted - FOUND


def trusted(scene: Scene, wanted: frozenset[str]) -> frozenset[str]:
    """What of the wanted channels a bus may carry of this scene."""
    return looked_for(scene, wanted) if scene.status is Status.OK else wanted - TRUSTED


def recorded_ns(frame: Frame) -> int:
    """The time of a frame in logs: its own, so that a log of a recording is the same each time."""
    return frame.wall_ns or frame.stamp_ns


def bus_ns(frame: Frame) -> int:
    """The time of a frame on live buses: by the wall clock, also where its recording knows none."""
    return frame.wall_ns or time.time_ns() - (time.monotonic_ns() - frame.host_ns)
