"""Scenes on the topics of ROS 2: `ros2:/car/front`."""

import logging
from typing import Any

import cv2

from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.interchange.channels import Message, bus_ns, trusted
from perception.interchange.ros import RosVocabulary
from perception.interchange.ros_node import RosNode
from perception.interchange.ros_types import cdr, message, time
from perception.overlay import draw
from perception.scene import Scene
from perception.sinks.base import Opening, SinkUri
from perception.types import Image

_LOG = logging.getLogger("perception.sinks")
_CLOCK = "rosgraph_msgs/msg/Clock"


class RosSink:
    """Publishes what somebody has subscribed to; nothing else is encoded.

    Types whose packages are not installed are left out, and named in the log. While a scene is not to be
    trusted, no labels, instances and detections are published; the scene, health and diagnostics are.

    Raises:
        SinkError: ROS refuses.
    """

    wants_overlay = False

    def __init__(self, sink: SinkUri, opening: Opening) -> None:
        self.uri, self._classes = str(sink), opening.classes
        namespace, _, camera = sink.uri.place.rpartition("/")
        self._vocabulary = RosVocabulary(camera, opening.classes, namespace)
        try:
            self._node = RosNode("perception", sink.uri.place, managed=sink.options.managed)
        except RuntimeError as error:
            raise SinkError(f"sink {self.uri}: ROS refuses ({error})") from error
        self._publishers = self._open(sink.options.clock)
        self._latched: tuple[object, ...] = ()

    def _open(self, clock: bool) -> dict[str, Any]:
        publishers, missing = {}, {}
        for name, channel in self._vocabulary.channels.items():
            try:
                publishers[name] = self._node.publisher(
                    channel.schema.name, channel.topic, latched=channel.latched
                )
            except (ModuleNotFoundError, TypeError) as error:
                missing[name] = str(error)
        if missing:
            why = "; ".join(dict.fromkeys(missing.values()))
            extra = {"event": "channels_left_out", "sink": self.uri}
            _LOG.warning("sink %s: leaves out %s (%s)", self.uri, ", ".join(missing), why, extra=extra)
        if clock:
            publishers["clock"] = self._node.publisher(_CLOCK, "/clock")
        return publishers

    def write(self, frame: Frame, scene: Scene, overlay: Image) -> str | None:
        if withheld := self._node.withheld:
            return withheld
        stamp_ns = bus_ns(frame)
        wanted = trusted(scene, self._subscribed())
        drawn = draw(frame, scene, self._classes) if "overlay" in wanted else frame.pixels
        try:
            if "clock" in self._publishers:
                self._publishers["clock"].publish(cdr(message(_CLOCK, clock=time(stamp_ns))))
            latched = frame.optical_frame, frame.transforms
            if latched != self._latched:
                for one in self._vocabulary.latched(frame, stamp_ns):
                    self._publish(one)
                self._latched = latched
            for one in self._vocabulary.scene(frame, scene, drawn, stamp_ns, wanted):
                self._publish(one)
        except (RuntimeError, cv2.error) as error:
            raise SinkError(f"sink {self.uri}: frame {frame.sequence} is not published ({error})") from error
        return None

    def write_health(self, health: Health) -> None:
        if self._subscribed() & {"health", "diagnostics"}:
            try:
                for one in self._vocabulary.health(health, health.wall_ns):
                    self._publish(one)
            except RuntimeError as error:
                raise SinkError(f"sink {self.uri}: health is not published ({error})") from error

    def close(self) -> None:
        self._node.close()

    def _subscribed(self) -> frozenset[str]:
        return frozenset(name for name, one in self._publishers.items() if one.get_subscription_count())

    def _publish(self, one: Message) -> None:
        if one.channel.name in self._publishers:
            self._publishers[one.channel.name].publish(one.data)
