"""Scenes on the topics of ROS 2: `ros2:/car/front`."""

import logging
from typing import Any

from perception.errors import SinkError
from perception.interchange.buses.ros_node import RosNode
from perception.interchange.messages.channels import Message
from perception.interchange.ros.types import cdr, message, time
from perception.sinks.base import Opening, SinkUri
from perception.sinks.bus import BusSink

_LOG = logging.getLogger("perception.sinks")
_CLOCK = "rosgraph_msgs/msg/Clock"


class RosSink(BusSink):
    """Types whose packages are not installed are left out, and named in the log.

    Raises:
        SinkError: ROS refuses.
    """

    refusal = RuntimeError

    def __init__(self, sink: SinkUri, opening: Opening) -> None:
        super().__init__(sink, opening)
        try:
            self._node = RosNode("perception", self._base, managed=sink.options.managed)
        except RuntimeError as error:
            raise SinkError(f"sink {self.uri}: ROS refuses ({error})") from error
        try:
            self._advertise(sink)
        except BaseException:
            self._node.close()
            raise

    def _advertise(self, sink: SinkUri) -> None:
        self._publishers: dict[str, Any] = {}
        missing = {}
        for name, channel in self._vocabulary.channels.items():
            kind, topic = channel.schema.name, channel.topic
            try:
                self._publishers[name] = self._node.publisher(kind, topic, latched=channel.latched)
            except (ModuleNotFoundError, TypeError) as error:
                missing[name] = str(error)
        if missing:
            why = "; ".join(dict.fromkeys(missing.values()))
            extra = {"event": "channels_left_out", "sink": self.uri}
            _LOG.warning("sink %s: leaves out %s (%s)", self.uri, ", ".join(missing), why, extra=extra)
        self._clock = self._node.publisher(_CLOCK, "/clock") if sink.options.clock else None

    def close(self) -> None:
        self._node.close()

    def _before(self, stamp_ns: int) -> str | None:
        if self._clock is not None:
            self._clock.publish(cdr(message(_CLOCK, clock=time(stamp_ns))))
        return self._node.withheld or None

    def _subscribed(self) -> frozenset[str]:
        return frozenset(name for name, one in self._publishers.items() if one.get_subscription_count())

    def _send(self, one: Message) -> None:
        if one.channel.name in self._publishers:
            self._publishers[one.channel.name].publish(one.data)
