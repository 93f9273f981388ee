"""A log that `perception run … out.mcap` wrote, read for comparison."""

import json
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from google.protobuf.message import DecodeError
from mcap.exceptions import McapError
from mcap.reader import make_reader
from zstandard import ZstdError

from perception.app.diff.run import Maps
from perception.errors import DataError
from perception.interchange.records import SceneRecord
from perception.types import Image

_DTYPES: dict[str, np.dtype[Any]] = {"mono8": np.dtype("<u1"), "mono16": np.dtype("<u2")}
_BROKEN = (  # what reading a damaged log raises
    McapError, ZstdError, DecodeError, struct.error, OSError, ValueError, RuntimeError, EOFError, LookupError,
    OverflowError, MemoryError,
)  # fmt: skip


class McapRun:
    """Of the profile foxglove, with one camera. The messages of one frame have its time.

    Raises:
        DataError: it is no such log, or is broken; a killed writer leaves one without its index.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._reader = make_reader(path.open("rb"), validate_crcs=True)
            summary = self._reader.get_summary()
            if summary is None or not summary.channels:
                raise DataError(f"{path}: has no index, as of a killed writer; mend it with mcap recover")
            self._types = {
                one.topic: summary.schemas[one.schema_id].name for one in summary.channels.values()
            }
            topics = [topic for topic, name in self._types.items() if name == "perception.Scene"]
            if len(topics) != 1:
                raise DataError(f"{path}: has scenes of {', '.join(topics) or 'no camera'}; one is compared")
            self._camera = topics[0].removesuffix("scene")
            found = [
                (message.log_time, SceneRecord.model_validate_json(message.data))
                for _, _, message in self._reader.iter_messages(topics)
            ]
        except _BROKEN as error:
            raise DataError(f"{path}: not a log that perception run wrote: {error}") from error
        self.scenes = tuple(scene for _, scene in found)
        self._times = {id(scene): time for time, scene in found}

    def maps(self, scene: SceneRecord) -> Maps | None:
        if f"{self._camera}labels" not in self._types:
            return None
        labels, instances = (self._ids(scene, name) for name in ("labels", "instances"))
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
            for _, _, message in self._reader.iter_messages([topic]):
                return {int(one["id"]): str(one["name"]) for one in json.loads(message.data)["classes"]}
        except _BROKEN as error:
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
        time = self._times[id(scene)]
        try:
            read = self._reader.iter_messages([topic], starting_at=time, ending_at=time)
            found = [kind.FromString(one.data) for *_, one in read]
        except _BROKEN as error:
            raise DataError(f"{self._path}: cannot be read: {error}") from error
        if len(found) != 1:
            raise DataError(f"{self._path}: {len(found)} messages of {topic} at {time} ns, expected 1")
        return found[0]
