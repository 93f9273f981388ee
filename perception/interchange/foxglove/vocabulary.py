"""Scenes in Foxglove's message types, as protobuf and JSON."""

import json
from collections.abc import Callable, Container, Iterator, Mapping
from functools import cache
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from foxglove_schemas_protobuf.CompressedVideo_pb2 import CompressedVideo
from foxglove_schemas_protobuf.FrameTransforms_pb2 import FrameTransforms
from foxglove_schemas_protobuf.ImageAnnotations_pb2 import ImageAnnotations
from foxglove_schemas_protobuf.RawImage_pb2 import RawImage
from foxglove_schemas_protobuf.SceneUpdate_pb2 import SceneUpdate
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import Message as Protobuf

from perception.classes import UNKNOWN, ClassSet
from perception.frame import Frame
from perception.health.types import Health
from perception.interchange.files.records import (
    HEALTH,
    SCENES,
    class_records,
    health_record,
    scene_record,
    schemas,
)
from perception.interchange.foxglove.annotations import annotations, set_time
from perception.interchange.foxglove.road import road_update
from perception.interchange.messages.channels import Channel, Message, Schema
from perception.interchange.messages.jpeg import Video, encode_jpeg, frame_jpeg
from perception.pixels import Pixels
from perception.scene import Scene

_Encode: TypeAlias = Callable[[Frame, Scene, Pixels, int], bytes]  # with the stamp; empty: there is none
_OF_CLASSES = frozenset({"labels", "instances", "road", "classes"})
_CLASSES: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Classes",
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "unknown": {"type": "integer", "description": "Value of the pixels of which nothing is known."},
        "classes": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "id": {"type": "integer"},
                    "name": {"type": "string"},
                    "colour": {"type": "array", "items": {"type": "integer"}, "description": "R, G and B."},
                    "thing": {"type": "boolean", "description": "It comes as instances."},
                },
                "required": ["id", "name", "colour", "thing"],
            },
        },
    },
    "required": ["name", "unknown", "classes"],
}


class FoxgloveVocabulary:
    """Scenes of one camera; see `perception.interchange.messages.channels.Vocabulary`.

    | channel            | type                                                                     |
    |--------------------|--------------------------------------------------------------------------|
    | picture            | CompressedImage, or CompressedVideo where a video is given               |
    | overlay            | CompressedImage                                                          |
    | labels, instances  | RawImage, mono8 and mono16                                               |
    | annotations        | ImageAnnotations; from the corner of the first pixel, see `annotations`  |
    | road               | SceneUpdate, in metres: only where it is known where the ground is       |
    | calibration        | CameraCalibration                                                        |
    | transforms         | FrameTransforms                                                          |
    | scene, health      | JSON, as the lines of scenes.jsonl and health.jsonl                      |
    | classes            | JSON                                                                     |

    Where the network knows no classes, there are no labels, instances, road and classes, and annotations only
    of key points.

    Args:
        video: encodes the pictures.
    """

    def __init__(self, camera: str, classes: ClassSet, video: Video | None = None) -> None:
        self._classes, self._video = classes, video
        image = _protobuf(CompressedImage)
        kinds: list[tuple[str, Schema, _Encode | None]] = [
            ("picture", image if video is None else _protobuf(CompressedVideo), self._picture),
            ("overlay", image, self._overlay),
            ("labels", _protobuf(RawImage), self._labels),
            ("instances", _protobuf(RawImage), self._instances),
            ("annotations", _protobuf(ImageAnnotations), self._annotations),
            ("road", _protobuf(SceneUpdate), self._road),
            ("scene", _json("Scene"), self._scene),
            ("health", _json("Health"), None),
            ("calibration", _protobuf(CameraCalibration), None),
            ("transforms", _protobuf(FrameTransforms), None),
            ("classes", _json("Classes"), None),
        ]
        if not len(classes):
            kinds = [one for one in kinds if one[0] not in _OF_CLASSES]
        self.channels: Mapping[str, Channel] = {
            name: Channel(name, f"/{camera}/{name}", schema, latched=encode is None)
            for name, schema, encode in kinds
        }
        self._encoders = {name: encode for name, _, encode in kinds if encode is not None}

    def scene(
        self, frame: Frame, scene: Scene, overlay: Pixels, stamp_ns: int, wanted: Container[str]
    ) -> Iterator[Message]:
        for name, encode in self._encoders.items():
            if name in wanted and (data := encode(frame, scene, overlay, stamp_ns)):
                yield Message(self.channels[name], stamp_ns, data)

    def health(self, health: Health, stamp_ns: int) -> Iterator[Message]:
        yield Message(self.channels["health"], stamp_ns, json.dumps(health_record(health)).encode())

    def latched(self, frame: Frame, stamp_ns: int) -> Iterator[Message]:
        if "classes" in self.channels:
            yield Message(self.channels["classes"], stamp_ns, json.dumps(self._class_list()).encode())
        if frame.camera_info is not None:
            yield Message(self.channels["calibration"], stamp_ns, _calibration(frame, stamp_ns))
        if frame.transforms:
            yield Message(self.channels["transforms"], stamp_ns, _transforms(frame, stamp_ns))

    def _picture(self, frame: Frame, scene: Scene, overlay: Pixels, stamp_ns: int) -> bytes:
        if self._video is None:
            return _coded(CompressedImage(format="jpeg"), frame, stamp_ns, frame_jpeg(frame))
        unit = self._video.encode(frame)
        return _coded(CompressedVideo(format=self._video.format), frame, stamp_ns, unit) if unit else b""

    def _overlay(self, frame: Frame, scene: Scene, overlay: Pixels, stamp_ns: int) -> bytes:
        return _coded(CompressedImage(format="jpeg"), frame, stamp_ns, encode_jpeg(overlay))

    def _labels(self, frame: Frame, scene: Scene, overlay: Pixels, stamp_ns: int) -> bytes:
        return _raw("mono8", frame, stamp_ns, scene.labels)

    def _instances(self, frame: Frame, scene: Scene, overlay: Pixels, stamp_ns: int) -> bytes:
        return _raw("mono16", frame, stamp_ns, scene.instance_map)

    def _annotations(self, frame: Frame, scene: Scene, overlay: Pixels, stamp_ns: int) -> bytes:
        if not len(self._classes) and not scene.key_points:
            return b""
        return _bytes(annotations(scene, self._classes, stamp_ns))

    def _road(self, frame: Frame, scene: Scene, overlay: Pixels, stamp_ns: int) -> bytes:
        if not frame.mounted:
            return b""
        return _bytes(road_update(scene, self._classes, frame.ground_frame, stamp_ns))

    def _scene(self, frame: Frame, scene: Scene, overlay: Pixels, stamp_ns: int) -> bytes:
        return json.dumps(scene_record(scene, self._classes)).encode()

    def _class_list(self) -> dict[str, Any]:
        classes = self._classes
        return {"name": classes.name, "unknown": UNKNOWN, "classes": class_records(classes)}


def _coded(message: Any, frame: Frame, stamp_ns: int, data: bytes) -> bytes:
    set_time(message.timestamp, stamp_ns)
    message.frame_id, message.data = frame.optical_frame, data
    return _bytes(message)


def _raw(
    encoding: str, frame: Frame, stamp_ns: int, ids: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]
) -> bytes:
    """A map (h, w) as a RawImage, whose pixels are copied once instead of three times."""
    height, width = ids.shape
    message = RawImage(
        frame_id=frame.optical_frame, width=width, height=height, encoding=encoding, step=width * ids.itemsize
    )
    set_time(message.timestamp, stamp_ns)
    pixels = np.ascontiguousarray(ids, ids.dtype.newbyteorder("<"))
    # Fields may stand in any order, each a key and, where it is of bytes, their number.
    key = _varint(RawImage.DATA_FIELD_NUMBER << 3 | 2) + _varint(pixels.nbytes)
    return b"".join((_bytes(message), key, pixels.data.cast("B")))


def _calibration(frame: Frame, stamp_ns: int) -> bytes:
    info = frame.camera_info
    assert info is not None
    message = CameraCalibration(
        frame_id=frame.optical_frame,
        width=info.width,
        height=info.height,
        distortion_model=info.model,
        D=info.d,
        K=info.k,
        R=info.r,
        P=info.p,
    )
    set_time(message.timestamp, stamp_ns)
    return _bytes(message)


def _transforms(frame: Frame, stamp_ns: int) -> bytes:
    message = FrameTransforms()
    for one in frame.transforms:
        added = message.transforms.add(parent_frame_id=one.parent, child_frame_id=one.child)
        set_time(added.timestamp, stamp_ns)
        for axis, value in zip("xyz", one.translation, strict=True):
            setattr(added.translation, axis, value)
        for axis, value in zip("xyzw", one.rotation, strict=True):
            setattr(added.rotation, axis, value)
    return _bytes(message)


def _bytes(message: Protobuf) -> bytes:
    # Without this, maps of a message may come in any order; there are none, and the promise costs nothing.
    return bytes(message.SerializeToString(deterministic=True))


def _varint(value: int) -> bytes:
    groups = []
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    return bytes([*groups, value])


@cache
def _protobuf(kind: type[Protobuf]) -> Schema:
    """With the definitions of all that it is made of, those that others use first."""
    files: dict[str, FileDescriptor] = {}

    def add(file: FileDescriptor) -> None:
        for one in file.dependencies:
            add(one)
        files[file.name] = file

    add(kind.DESCRIPTOR.file)
    definitions = FileDescriptorSet()
    for file in files.values():
        file.CopyToProto(definitions.file.add())
    return Schema(kind.DESCRIPTOR.full_name, "protobuf", _bytes(definitions), "protobuf")


@cache
def _json(name: str) -> Schema:
    definition = _CLASSES if name == "Classes" else schemas()[{"Scene": SCENES, "Health": HEALTH}[name]]
    return Schema(f"perception.{name}", "jsonschema", json.dumps(definition).encode(), "json")
