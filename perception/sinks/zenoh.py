"""Scenes on the keys of Zenoh, as messages of ROS 2: `zenoh:car/front`."""

import cv2
import zenoh

from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.interchange.channels import Message, bus_ns, trusted
from perception.interchange.ros import RosVocabulary
from perception.interchange.zenoh_session import open_session
from perception.overlay import draw
from perception.scene import Scene
from perception.sinks.base import Opening, SinkUri
from perception.types import Image


class ZenohSink:
    """Puts what somebody has subscribed to; nothing else is encoded. As `RosSink` in all that matters.

    The encoding of each message names its type. A message that a subscriber has no room for is dropped. A
    queryable answers with the newest of what is latched; a token of liveliness stands at the sink's own key.

    Raises:
        SinkError: there is no session.
    """

    wants_overlay = False

    def __init__(self, sink: SinkUri, opening: Opening) -> None:
        self.uri, self._classes = str(sink), opening.classes
        base = sink.uri.place
        namespace, _, camera = f"/{base}".rpartition("/")
        self._vocabulary = RosVocabulary(camera, opening.classes, namespace)
        try:
            self._session = open_session(sink.options)
        except zenoh.ZError as error:
            raise SinkError(f"sink {self.uri}: Zenoh refuses ({error})") from error
        self._publishers = {}
        for name, channel in self._vocabulary.channels.items():
            topic = channel.topic.removeprefix("/")
            key = topic if topic.startswith(f"{base}/") else f"{base}/{topic}"
            encoding = zenoh.Encoding.APPLICATION_CDR.with_schema(channel.schema.name)
            self._publishers[name] = self._session.declare_publisher(
                key, encoding=encoding, congestion_control=zenoh.CongestionControl.DROP
            )
        self._newest: dict[str, bytes] = {}  # of the latched channels
        self._of: tuple[object, ...] = ()
        self._session.declare_queryable(f"{base}/**", self._answer)
        self._session.liveliness().declare_token(base)

    def write(self, frame: Frame, scene: Scene, overlay: Image) -> None:
        stamp_ns = bus_ns(frame)
        wanted = trusted(scene, self._subscribed())
        drawn = draw(frame, scene, self._classes) if "overlay" in wanted else frame.pixels
        try:
            of = frame.optical_frame, frame.transforms
            if of != self._of:
                for one in self._vocabulary.latched(frame, stamp_ns):
                    self._newest[one.channel.name] = one.data
                    self._put(one)
                self._of = of
            for one in self._vocabulary.scene(frame, scene, drawn, stamp_ns, wanted):
                self._put(one)
        except (zenoh.ZError, cv2.error) as error:
            raise SinkError(f"sink {self.uri}: frame {frame.sequence} is not put ({error})") from error

    def write_health(self, health: Health) -> None:
        if self._subscribed() & {"health", "diagnostics"}:
            try:
                for one in self._vocabulary.health(health, health.wall_ns):
                    self._put(one)
            except zenoh.ZError as error:
                raise SinkError(f"sink {self.uri}: health is not put ({error})") from error

    def close(self) -> None:
        self._session.close()

    def _subscribed(self) -> frozenset[str]:
        return frozenset(name for name, one in self._publishers.items() if one.matching_status.matching)

    def _put(self, one: Message) -> None:
        self._publishers[one.channel.name].put(one.data)

    def _answer(self, query: zenoh.Query) -> None:
        """In a thread of Zenoh's."""
        with query:
            for name, data in list(self._newest.items()):
                publisher = self._publishers[name]
                if query.key_expr.intersects(publisher.key_expr):
                    query.reply(publisher.key_expr, data, encoding=publisher.encoding)
