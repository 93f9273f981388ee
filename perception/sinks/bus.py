"""What sinks on buses have in common: what they publish, and when."""

import time
from abc import ABC, abstractmethod
from typing import ClassVar

import cv2

from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.interchange.messages.channels import Message, bus_ns, trusted
from perception.interchange.ros.vocabulary import RosVocabulary
from perception.overlay import draw
from perception.scene import Scene
from perception.sinks.base import Opening, SinkUri
from perception.sinks.mounting import mounting
from perception.types import Image


class BusSink(ABC):
    """Publishes, as messages of ROS 2, what somebody has subscribed to; nothing else is encoded or drawn.

    While a scene is not to be trusted, no labels, instances and detections are published; the scene, health
    and diagnostics are.

    Attributes:
        refusal: what the bus's library raises.
    """

    refusal: ClassVar[type[Exception]]
    wants_overlay = False

    def __init__(self, sink: SinkUri, opening: Opening) -> None:
        self.uri, self._classes = str(sink), opening.classes
        self._base = f"/{sink.uri.place.removeprefix('/')}"
        namespace, _, camera = self._base.rpartition("/")
        self._vocabulary = RosVocabulary(camera, opening.classes, namespace)
        self._latched_of: object = None

    @abstractmethod
    def _subscribed(self) -> frozenset[str]:
        """The channels that somebody wants now."""

    @abstractmethod
    def _send(self, one: Message) -> None: ...

    def _before(self, stamp_ns: int) -> str | None:
        """Send what comes before each frame's messages; or why there are none now."""
        return None

    def write(self, frame: Frame, scene: Scene, overlay: Image) -> str | None:
        stamp_ns = bus_ns(frame)
        # It may have waited; and its JSON has the time that the headers of the others have.
        scene = scene.as_of(time.monotonic_ns()).evolve(wall_ns=stamp_ns)
        try:
            if left_out := self._before(stamp_ns):
                return left_out
            if mounting(frame) != self._latched_of:
                for one in self._vocabulary.latched(frame, stamp_ns):
                    self._send(one)
                self._latched_of = mounting(frame)
            wanted = trusted(scene, self._subscribed())
            drawn = draw(frame, scene, self._classes) if "overlay" in wanted else frame.pixels
            for one in self._vocabulary.scene(frame, scene, drawn, stamp_ns, wanted):
                self._send(one)
        except (self.refusal, cv2.error) as error:
            what = f"frame {frame.sequence} is not published ({error})"
            raise SinkError(f"sink {self.uri}: {what}") from error
        return None

    def write_health(self, health: Health) -> None:
        if self._subscribed() & {"health", "diagnostics"}:
            try:
                for one in self._vocabulary.health(health, health.wall_ns):
                    self._send(one)
            except self.refusal as error:
                raise SinkError(f"sink {self.uri}: health is not published ({error})") from error
