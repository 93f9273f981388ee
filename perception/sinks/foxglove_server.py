"""The server that Foxglove's app connects to."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

import cv2
import foxglove
from foxglove.websocket import ChannelView, Client, ServerListener

from perception.classes import ClassSet
from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.interchange.foxglove.vocabulary import FoxgloveVocabulary
from perception.interchange.messages.channels import Channel, Message, bus_ns, trusted
from perception.overlay import ALL, draw_planes
from perception.scene import Scene
from perception.sinks.foxglove import ServerAddress
from perception.sinks.mounting import mounting

LOG = logging.getLogger("perception.sinks")

_BACKLOG = 8  # messages that wait for a viewer; of more the oldest are dropped. 1024, the SDK's, are 400 MB

# Between channels: each is announced in a message of its own, and a viewer for whom more of these wait
# than the backlog is cut off.
_PAUSE_S = 0.005


@dataclass(slots=True)
class _Camera:
    """Its channels by their names, and the newest message of those that late subscribers get."""

    vocabulary: FoxgloveVocabulary
    channels: dict[str, foxglove.Channel]
    mounting: object = None
    latched: dict[str, Message] = field(default_factory=dict)  # by topic


class FoxgloveSink(ServerListener):
    """One server for all cameras of a process; each may `write` and `write_health` from its own thread.

    Only what somebody has subscribed to is encoded, or drawn. What a planner would act on is published of
    scenes whose status is ok, and of no others. A viewer that does not keep up loses messages.

    Raises:
        SinkError: the address cannot be bound.
    """

    wants_overlay = False  # it is drawn here, while somebody looks

    def __init__(self, address: ServerAddress, classes: ClassSet) -> None:
        self._classes = classes
        self._context = foxglove.Context()
        self._cameras: dict[str, _Camera] = {}
        self._lock = Lock()  # for new cameras
        host = f"[{address.host}]" if ":" in address.host else address.host
        try:
            self._server = foxglove.start_server(
                name="perception",
                host=address.host,
                port=address.port,
                context=self._context,
                server_listener=self,
                message_backlog_size=_BACKLOG,
            )
        except RuntimeError as error:
            words = str(error).removeprefix("FoxgloveError: ")
            raise SinkError(f"sink foxglove://{host}:{address.port}: cannot be opened ({words})") from error
        self.uri = f"foxglove://{host}:{self._server.port}"
        LOG.info("for Foxglove: %s", self.uri.replace("foxglove:", "ws:", 1), extra={"event": "foxglove"})

    def write(self, frame: Frame, scene: Scene, overlay: Any) -> None:
        camera, stamp_ns = self._camera(scene.camera), bus_ns(frame)
        if camera.mounting != mounting(frame):
            camera.mounting = mounting(frame)
            self._latch(camera, camera.vocabulary.latched(frame, stamp_ns))
        watched = frozenset(name for name, channel in camera.channels.items() if channel.has_sinks())
        # It may have waited; and its JSON has the time of the other messages.
        scene = scene.as_of(time.monotonic_ns()).evolve(wall_ns=stamp_ns)
        wanted = trusted(scene, watched)
        if "overlay" in wanted:
            overlay = draw_planes(frame, scene, self._classes, ALL)
        try:
            for message in camera.vocabulary.scene(frame, scene, overlay, stamp_ns, wanted):
                _send(camera, message)
        except cv2.error as error:
            size = f"{frame.width}×{frame.height}"
            raise SinkError(f"sink {self.uri}: a frame of {size} cannot be encoded ({error})") from error

    def write_health(self, health: Health) -> None:
        camera = self._camera(health.camera)
        self._latch(camera, camera.vocabulary.health(health, health.wall_ns))

    def close(self) -> None:
        self._server.stop()

    def on_subscribe(self, client: Client, channel: ChannelView) -> None:
        """Of the SDK, in a thread of its own: who comes late gets the newest message."""
        for camera in list(self._cameras.values()):
            if message := camera.latched.get(channel.topic):
                _send(camera, message)

    def _camera(self, name: str) -> _Camera:
        with self._lock:
            if name not in self._cameras:
                vocabulary = FoxgloveVocabulary(name, self._classes)
                channels = {one.name: self._open(one) for one in vocabulary.channels.values()}
                self._cameras[name] = _Camera(vocabulary, channels)
            return self._cameras[name]

    def _open(self, channel: Channel) -> foxglove.Channel:
        kind = channel.schema
        schema = foxglove.Schema(name=kind.name, encoding=kind.encoding, data=kind.definition)
        time.sleep(_PAUSE_S)
        return foxglove.Channel(
            channel.topic, message_encoding=kind.message_encoding, schema=schema, context=self._context
        )

    def _latch(self, camera: _Camera, messages: Iterable[Message]) -> None:
        for message in messages:
            camera.latched[message.channel.topic] = message
            _send(camera, message)


def _send(camera: _Camera, message: Message) -> None:
    camera.channels[message.channel.name].log(message.data, log_time=message.stamp_ns)
