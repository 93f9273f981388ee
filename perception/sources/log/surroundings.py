"""What a recording says of the camera beside its pictures: calibration, and where it is mounted."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from perception.camera_info import CameraInfo, Transform
from perception.errors import SourceError
from perception.interchange.messages.cameras import (
    CALIBRATIONS,
    TRANSFORMS,
    calibration_decoder,
    transforms_decoder,
)
from perception.interchange.messages.channels import Schema
from perception.interchange.messages.decoding import Data, UndecodableError
from perception.sources.log.base import Log, Record
from perception.sources.log.choice import is_beside
from perception.sources.rectified import holding_for

# Changes of a transform. One is a correction; after more it moves, as a localiser's does, and is not static.
MOVES = 2


class Surroundings:
    """Keeps the newest of each.

    Args:
        picture: the topic with pictures.
        note: takes what the user should know.

    Attributes:
        names: of the topics that are of use here.
        known: of those, the ones that have said something.
    """

    def __init__(self, log: Log, picture: str, note: Callable[[str], None]) -> None:
        self._picture, self._note = picture, note
        self.names = frozenset(
            one.name for one in log.topics if one.count != 0 and _wanted(one.name, one.schema.name)
        )
        self.known: set[str] = set()
        self._decoders: dict[Schema, Callable[[Data], Any] | None] = {}
        self._infos: dict[str, tuple[str, CameraInfo | None]] = {}
        self._transforms: dict[str, Transform] = {}  # by their children
        self._changes = Counter[str]()  # of each
        self._told: tuple[Transform, ...] | None = None

    def take(self, record: Record) -> None:
        """For each message of the topics `names`, in order."""
        schema = record.topic.schema
        self.known.add(record.topic.name)
        try:
            if schema not in self._decoders:
                self._decoders[schema] = None  # unless it can be made
                made = calibration_decoder if schema.name in CALIBRATIONS else transforms_decoder
                self._decoders[schema] = made(schema)
            decode = self._decoders[schema]
            said = decode(record.payload()) if decode else None
        except (SourceError, UndecodableError) as error:
            self._note(f"{record.topic.name}: {error}; passed over")
            return
        if isinstance(said, tuple):
            self._infos[record.topic.name] = said
        elif said:
            for one in said:
                self._changes[one.child] += self._transforms.get(one.child, one) != one
                self._transforms[one.child] = one
            self._told = None

    def transforms(self) -> tuple[Transform, ...]:
        """The newest of each coordinate frame that does not move."""
        if self._told is None:
            still = (one for child, one in self._transforms.items() if self._changes[child] < MOVES)
            self._told = tuple(still)
        return self._told

    def camera_info(self, frame_id: str, width: int, height: int) -> CameraInfo | None:
        """Of the camera that took a picture: by the topics' names, or by the coordinate frame."""
        infos = self._infos
        same = [name for name, (frame, _) in infos.items() if frame and frame == frame_id]
        beside = [name for name in infos if is_beside(name, self._picture)]
        for names in ([name for name in same if name in beside], beside, same):
            if len(names) == 1:
                return self._fitting(names[0], width, height)
        return None

    def _fitting(self, name: str, width: int, height: int) -> CameraInfo | None:
        info = self._infos[name][1]
        if info is None:
            return None
        if (info.width, info.height) == (width, height):
            try:
                return holding_for(self._picture, info)
            except SourceError as error:
                self._note(f"{error}; passed over")
                return None
        self._note(
            f"{name} holds for {info.width}×{info.height}, not for pictures of {width}×{height}; passed over"
        )
        return None


def _wanted(name: str, kind: str) -> bool:
    if kind in CALIBRATIONS:
        return True
    # Of ROS only what does not move; Foxglove's have no other topic.
    return kind in TRANSFORMS and (name.rpartition("/")[2] == "tf_static" or kind.startswith("foxglove"))
