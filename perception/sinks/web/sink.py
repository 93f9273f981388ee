"""The sink behind the live page."""

import logging

import cv2

from perception.classes import ClassSet
from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.scene import Scene
from perception.sinks.base import SinkKind
from perception.sinks.web.address import EXAMPLE, Address
from perception.sinks.web.server import Server
from perception.types import Image

LOG = logging.getLogger("perception.sinks")


class WebSink:
    """One page for all cameras of a process; each camera may `write` and `write_health` from its own thread.

    It costs next to nothing while nobody watches, and one encoding a frame however many do: overlays are
    drawn in the browsers.

    Raises:
        SinkError: the address cannot be bound.
    """

    wants_overlay = False

    def __init__(self, address: Address, classes: ClassSet) -> None:
        self._server = Server(address, classes)
        self.address = self._server.address
        self.uri = self.address.uri
        LOG.info("the live page: %s", self.uri.replace("web:", "http:", 1), extra={"event": "page"})

    def write(self, frame: Frame, scene: Scene, overlay: Image) -> None:
        try:
            self._server.cameras.publish(frame, scene)
        except cv2.error as error:
            size = f"{frame.width}×{frame.height}"
            raise SinkError(f"sink {self.uri}: a frame of {size} cannot be encoded ({error})") from error

    def write_health(self, health: Health) -> None:
        self._server.cameras.report(health)

    def close(self) -> None:
        self._server.close()


KIND = SinkKind(
    f"a live page ({EXAMPLE})",
    lambda given, how: WebSink(given.options, how.classes),
    read=Address.read,
    shared=True,
    viewers=True,
    options={"token": "a secret that viewers need; on hosts other than this one it must be set"},
)
