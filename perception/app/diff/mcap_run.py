"""A log that `perception run … out.mcap` wrote, read for comparison."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from google.protobuf.message import DecodeError
from pydantic import ValidationError

from perception.app.diff.run import Maps
from perception.errors import DataError, SourceError
from perception.interchange.files.records import SceneRecord
from perception.interchange.messages.decoding import UndecodableError
from perception.sources.log.base import Record
from perception.sources.log.mcap_file import McapFile
from perception.types import Image

_DTYPES: dict[str, np.dtype[Any]] = {"mono8": np.dtype("<u1"), "mono16": np.dtype("<u2")}


class McapRun:
    """Of the profile foxglove, with one camera. The messages of one frame have its time.

    Raises:
        DataError: it is no such log, or is broken.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._log = McapFile(path)
            self._types = {one.name: one.schema.name for one in self._log.topics}
            topics = [topic for topic, name in self._types.items() if name == "perception.Scene"]
            if len(topics) != 1:
                raise DataError(
                    f"{path}: has scenes of {', '.join(topics) or 'no camera'}; one is compared, in a log of "
                    "the profile foxglove"
                )
            self._camera = topics[0].removesuffix("scene")
            found = [
                (one.log_ns, SceneRecord.model_validate_json(bytes(one.payload())))
                for one in self._log.records({topics[0]})
            ]
        except (SourceError, UndecodableError, ValidationError) as error:
            raise DataError(f"{path}: not a log that perception run wrote: {error}") from error
        self.scenes = tuple(scene for _, scene in found)
        self._walks: dict[str, _Walk] = {}
        # The time of a scene, and how many of that time are before it: of all, and of those with instances.
        self._places: dict[int, tuple[int, int, int]] = {}
        times, perceived = Counter[int](), Counter[int]()
        for time, scene in found:
            self._places[id(scene)] = time, times[time], perceived[time]
            times[time] += 1
            perceived[time] += scene.looked_for

    def pictures(self, scene: SceneRecord) -> dict[str, npt.NDArray[Any]]:
        return {}  # no log has them

    def maps(self, scene: SceneRecord) -> Maps | None:
        if f"{self._camera}labels" not in self._types:
            return None
        labels = self._ids(scene, "labels")
        # Where nobody was looked for, no instances are in the log.
        instances = self._ids(scene, "instances") if scene.looked_for else np.zeros_like(labels)
        return Maps(labels.astype(np.uint8, copy=False), instances.astype(np.uint16, copy=False))

    def overlay(self, scene: SceneRecord) -> Image | None:
        """The frame: a log has no overlays."""
        topic = f"{self._camera}picture"
        if self._types.get(topic) != "foxglove.CompressedImage":
            return None
        picture = self._message(scene, topic, CompressedImage)
        image = cv2.imdecode(np.frombuffer(picture.data, np.uint8), cv2.IMREAD_COLOR)
        return None if image is None else np.asarray(image, np.uint8)

    def class_names(self) -> dict[int, str]:
        """What the log says of its classes."""
        topic = f"{self._camera}classes"
        try:
            for one in self._log.records({topic}):
                classes = json.loads(bytes(one.payload()))["classes"]
                return {int(each["id"]): str(each["name"]) for each in classes}
        except (SourceError, UndecodableError, ValueError, LookupError, TypeError) as error:
            raise DataError(f"{self._path}: its classes cannot be read: {error}") from error
        return {}

    def _ids(self, scene: SceneRecord, name: str) -> npt.NDArray[Any]:
        topic = f"{self._camera}{name}"
        if self._types.get(topic) != "foxglove.RawImage":
            raise DataError(
                f"{self._path}: {topic} is {self._types.get(topic)}; foxglove.RawImage is compared"
            )
        image = self._message(scene, topic, RawImage)
        dtype = _DTYPES.get(image.encoding)
        if dtype is None or len(image.data) != image.height * image.width * dtype.itemsize:
            size = f"{image.width}×{image.height}, {image.encoding}"
            raise DataError(f"{self._path}: {topic} of {size} cannot have {len(image.data)} bytes")
        ids: npt.NDArray[Any] = np.frombuffer(image.data, dtype).reshape(image.height, image.width)
        return ids

    def _message(self, scene: SceneRecord, topic: str, kind: Any) -> Any:
        """The one of that topic that belongs to the scene."""
        time, of_all, of_perceived = self._places[id(scene)]
        before = of_perceived if topic.endswith("/instances") else of_all
        try:
            walk = self._walks.get(topic)
            if walk is None or time < walk.time:
                walk = self._walks[topic] = _Walk(self._log.records({topic}, time))
            found = walk.at(time)
            if before >= len(found):
                raise DataError(f"{self._path}: has no message of {topic} at {time} ns")
            return kind.FromString(bytes(found[before].payload()))
        except (SourceError, UndecodableError, DecodeError) as error:
            raise DataError(f"{self._path}: cannot be read: {error}") from error


class _Walk:
    """Goes along the records of a topic, as scenes are asked for in the order of their times."""

    def __init__(self, records: Iterator[Record]) -> None:
        self._records = records
        self._next = next(records, None)
        self.time, self._found = -1, list[Record]()

    def at(self, time: int) -> list[Record]:
        """All of that time, which is not before the last one that was asked for."""
        if time != self.time:
            self.time, self._found = time, []
        while self._next is not None and self._next.log_ns <= time:
            if self._next.log_ns == time:
                self._found.append(self._next)
            self._next = next(self._records, None)
        return self._found
