"""The sink that other processes of this machine read in place."""

import json
import time
from typing import Any

from perception.errors import DataError, SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.interchange.files.records import class_records, health_record, scene_record
from perception.interchange.messages.channels import bus_ns, trusted
from perception.interchange.shm.layout import PARTS, Content, Part, SharedFrame
from perception.interchange.shm.messages import HELD
from perception.interchange.shm.place import check_name, socket_path
from perception.interchange.shm.ring import Ring
from perception.scene import Scene, Signal
from perception.sinks.base import Opening, SinkKind, SinkUri
from perception.types import Image
from perception.uri import Uri, one_of

_MODES = {"600": 0o600, "660": 0o660}


class SharedMemorySink:
    """Pictures, label maps, instance maps and scenes in a ring, see docs/shm.md.

    It costs next to nothing while nobody reads, and only the parts that somebody asks for are written. Labels
    and instances of a scene that may not be trusted are withheld.

    Raises:
        SinkError: another process serves the name, or the socket cannot be made.
    """

    wants_overlay = False

    def __init__(self, sink: SinkUri, opening: Opening) -> None:
        self.uri = str(sink)
        self._classes = opening.classes
        self._signal = Signal.OK
        hello = {"rate": opening.rate, "held": HELD, "classes": class_records(opening.classes)}
        try:
            self._ring = Ring(socket_path(sink.uri.place), json.dumps(hello).encode(), **sink.options)
        except SinkError as error:
            raise SinkError(f"sink {sink}: {error}") from error

    def write(self, frame: Frame, scene: Scene, overlay: Image) -> None:
        asked = self._ring.wanted & ~Part.HEALTH
        if not asked:
            return
        scene = scene.evolve(wall_ns=bus_ns(frame))  # its JSON has the time that the header has
        allowed = trusted(scene, frozenset(_name(part) for part in PARTS if part in asked))
        parts = {part: self._content(part, frame, scene) for part in PARTS if _name(part) in allowed}
        shared = SharedFrame(
            scene.sequence,
            scene.stamp_ns,
            scene.wall_ns,
            scene.host_ns,
            time.monotonic_ns(),
            round((scene.max_age_ms or 0) * 1e6),
            scene.status,
            frame.optical_frame,
            frame.pixel_aspect,
            {part: content for part, content in parts.items() if content is not None},
        )

        def fresh() -> bool:
            return scene.as_of(time.monotonic_ns(), self._signal).status is scene.status

        try:
            self._ring.publish(shared, asked, fresh)
        except DataError as error:
            raise SinkError(f"sink {self.uri}: {error}") from error

    def write_health(self, health: Health) -> None:
        self._signal = health.signal
        self._ring.report(json.dumps(health_record(health)).encode())

    def close(self) -> None:
        self._ring.close()

    def _content(self, part: Part, frame: Frame, scene: Scene) -> Content | None:
        if part is Part.PICTURE:
            return frame.pixels
        if part is Part.SCENE:
            return json.dumps(scene_record(scene, self._classes)).encode()
        if not len(self._classes):
            return None
        return scene.labels if part is Part.LABELS else scene.instance_map


def _name(part: Part) -> str:
    """Of the channel."""
    return str(part.name).lower()


def _options(uri: Uri) -> dict[str, Any]:
    try:
        check_name(uri.place.replace("{camera}", "camera"))
    except ValueError as error:
        raise uri.error(str(error)) from None
    return uri.options({"mode": one_of(_MODES), "readers": _readers})


def _readers(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 64):
        raise ValueError("allowed are 1 to 64")
    return int(text)


KIND = SinkKind(
    "shared memory (shm:front)",
    SharedMemorySink,
    read=_options,
    viewers=True,
    options={
        "mode": "660: the group may read, too [default: 600]",
        "readers": "1 to 64 at a time [default: 8]",
    },
)
