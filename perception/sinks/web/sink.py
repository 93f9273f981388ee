"""The sink behind the live page."""

import logging

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.scene import Scene
from perception.sinks.web.address import Address
from perception.sinks.web.server import Server

LOG = logging.getLogger("perception.sinks")


class WebSink:
    """One page for all cameras of a process; each camera may `write` and `tell` from its own thread.

    It costs next to nothing while nobody looks on, and one encoding a frame however many do: overlays are
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

    def write(self, frame: Frame, scene: Scene, overlay: npt.NDArray[np.uint8]) -> None:
        try:
            self._server.cameras.publish(frame, scene)
        except cv2.error as error:
            size = f"{frame.width}×{frame.height}"
            raise SinkError(f"sink {self.uri}: a frame of {size} cannot be encoded ({error})") from error

    def tell(self, health: Health) -> None:
        self._server.cameras.tell(health)

    def close(self) -> None:
        self._server.close()


def open_web(uri: str, classes: ClassSet) -> WebSink:
    """Serve the live page at `web://HOST:PORT?token=…`; port 0 is any free one.

    Raises:
        ConfigError: no such address, or one that others reach and that asks for no token.
        SinkError: the address cannot be bound.
    """
    return WebSink(Address.parse(uri), classes)
