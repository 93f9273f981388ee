"""What the node sends to browsers: scenes with their pictures, health, and signs of life."""

import json
import time
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import UNKNOWN, ClassSet
from perception.frame import Frame
from perception.interchange.files.png import encode_ids
from perception.interchange.files.records import class_records, scene_record
from perception.scene import Scene

LABELS_WIDTH = 640  # at most, in px: finer borders cannot be seen in a tint
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 80)
# Of a camera's own JPEG, in bytes a pixel: beyond it is not for networks. Ours have 0.13 on drives, cameras'
# of quality 90 have 0.19, of 95 0.3.
_MOST = 0.4


def now_ms() -> float:
    """The clock of all messages: the host's monotonic one, in ms."""
    return time.monotonic_ns() / 1e6


def encode(frame: Frame, scene: Scene, classes: ClassSet) -> bytes:
    """The message of one scene: one for all viewers, who each draw what they want to see of it.

        4 bytes   length of the header, big-endian
        header    JSON: the scene's `scene_record`, its `max_age_ms`, `captured_ms` and `published_ms` (by
                  `now_ms`), `width` and `height` of the frame, `picture_bytes`, `labels_bytes`;
                  `outlines` of the instances, in their order, each a polygon x, y, x, y … for each part
        picture   the frame as JPEG: as the camera sent it, where it did
        labels    class ids as PNG, 8 bits grey, nearest, at most LABELS_WIDTH wide

    Raises:
        cv2.error: an image that these formats cannot hold.
    """
    published_ms = now_ms()
    picture = _picture(frame)
    labels = encode_ids(_reduced(scene.labels))
    header = {
        **scene_record(scene, classes),
        "width": frame.width,
        "height": frame.height,
        "outlines": [[_smooth(part) for part in scene.polygons(one)] for one in scene.instances],
        "max_age_ms": scene.max_age_ms,
        "captured_ms": scene.host_ns / 1e6,
        "published_ms": published_ms,
        "picture_bytes": len(picture),
        "labels_bytes": len(labels),
    }
    text = json.dumps(header).encode()
    return b"".join([len(text).to_bytes(4, "big"), text, picture, labels])


def _picture(frame: Frame) -> bytes | memoryview:
    coded = frame.coded
    if coded is not None and coded.format == "jpeg" and len(coded.data) <= _MOST * frame.width * frame.height:
        return coded.data
    return cv2.imencode(".jpg", frame.image, _JPEG)[1].data


def _smooth(outline: npt.NDArray[np.int32]) -> list[int]:
    """x, y, x, y … within 1 px, so that a coarser map's staircases cost no bytes."""
    corners: list[int] = cv2.approxPolyDP(outline, 1.0, True).astype(np.int32).ravel().tolist()
    return corners


def greeting(classes: ClassSet, cameras: list[str]) -> str:
    """The first message to a viewer: what does not change."""
    return _text("hello", classes=class_records(classes), unknown=UNKNOWN, cameras=cameras)


def tick(skipped: int, viewers: int) -> str:
    """A sign of life, and how many scenes this viewer was too slow for."""
    return _text("tick", skipped=skipped, viewers=viewers)


def health_text(health: dict[str, Any]) -> str:
    """A camera's health, `Health.as_json`."""
    return _text("health", health=health)


def _text(kind: str, **values: Any) -> str:
    return json.dumps({"type": kind, "now_ms": now_ms(), **values})


def _reduced(labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = labels.shape
    if width <= LABELS_WIDTH:
        return labels
    size = LABELS_WIDTH, max(1, round(height * LABELS_WIDTH / width))
    return cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)
