"""Pictures from a topic of ROS 2: `ros2:/camera/image/compressed`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from perception.errors import SourceError
from perception.interchange.buses.ros_node import RosNode
from perception.picture_size import MAX_PIXELS
from perception.sources.bus import CAMERA_INFO, TRANSFORMS, BusSource, camera_info_beside
from perception.uri import Uri

PICTURES = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"


class RosSource(BusSource):
    """Its type and reliability are those of whoever publishes the topic.

    The calibration is taken from `camera_info` beside it, and transforms from /tf_static, where the package
    tf2_msgs is installed.
    """

    def __init__(self, uri: Uri, camera: str = "front", max_pixels: int = MAX_PIXELS) -> None:
        super().__init__(uri, camera, max_pixels)
        self._topic = uri.place
        self._node: RosNode | None = None
        self._subscribed: tuple[str, bool] | None = None  # type; whether reliable
        self._subscription: Any = None

    @contextmanager
    def _open(self) -> Iterator[None]:
        self._subscribed = self._subscription = None
        try:
            self._node = node = RosNode("perception_source", self._topic)
        except RuntimeError as error:
            raise SourceError(f"source {self.uri}: ROS refuses ({error})") from error
        try:
            self._subscribe(
                CAMERA_INFO, camera_info_beside(self._topic), self._camera_info_taker(self._topic)
            )
            try:
                take = self._transforms_taker()
                self._subscribe(TRANSFORMS, "/tf_static", take, reliable=True, latched=True)
            except SourceError as error:  # tf2_msgs is there where ROS is sourced
                self.notes.append(f"{error}: without /tf_static")
            yield
        finally:
            node.close()

    def _look(self) -> str:
        assert self._node is not None
        there = self._node.publishers(self._topic)
        if not there:
            return f"nobody publishes {self._topic}"
        kind = next((kind for kind, _ in there if kind in PICTURES), None)
        if kind is None:
            return f"{self._topic} has the type {there[0][0]}; pictures are {' or '.join(PICTURES)}"
        needs = kind, all(reliable for _, reliable in there)
        if needs != self._subscribed:
            self._node.unsubscribe(self._subscription)
            take = partial(self._take, kind)
            self._subscription = self._subscribe(kind, self._topic, take, reliable=needs[1])
            self._subscribed = needs
        return f"no message on {self._topic}"

    def _subscribe(self, kind: str, topic: str, take: Callable[[bytes], None], **how: bool) -> Any:
        assert self._node is not None
        try:
            return self._node.subscription(kind, topic, take, **how)
        except (ModuleNotFoundError, TypeError) as error:
            raise SourceError(f"source {self.uri}: {error}") from error
