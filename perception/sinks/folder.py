"""Label maps, instance maps and overlays as images, and every scene as a line of JSON."""

import json
from contextlib import suppress
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import ClassSet
from perception.errors import SinkError
from perception.frame import Frame
from perception.health import Health
from perception.scene import Scene
from perception.sinks import claim

FARTHEST = 65535  # cm
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 90)


class FolderSink:
    """One set of files a frame, `<stem>` being the frame's stem, or its sequence number as %06d:

        <stem>.labels.png     uint8 class ids at the frame's resolution, 255 unknown
        <stem>.instances.png  uint16, class id × 1000 + k, 0 none
        <stem>.overlay.jpg    the scene drawn on the frame
        <stem>.picture.png    uint8 BGR: restored, enlarged, or the next frame as predicted
        <stem>.depth.png      uint16 centimetres at the frame's resolution, 0 unknown, 65535 that or farther
        scenes.jsonl          one line a frame, written once its images are whole: see `record`

    Pictures and depth are written only where the scene has them.

    A folder that exists is reused: files of the same names are replaced, and scenes.jsonl starts anew, once
    the first frame comes.

    Raises:
        SinkError: the folder or a file cannot be written.
    """

    wants_overlay = True

    def __init__(self, folder: Path, classes: ClassSet) -> None:
        self.uri = str(folder)
        self._folder = folder
        self._classes = classes
        self._lines_path = folder / "scenes.jsonl"
        self._lines: FileIO | None = None
        try:
            self._new = claim(self._lines_path)
        except OSError as error:
            raise self._error(Path(error.filename), error) from error

    def write(self, frame: Frame, scene: Scene, overlay: npt.NDArray[np.uint8]) -> None:
        stem = frame.stem or f"{frame.sequence:06d}"
        scene = replace(scene, stem=stem)
        self._write_image(f"{stem}.labels.png", scene.labels)
        self._write_image(f"{stem}.instances.png", scene.instance_map)
        self._write_image(f"{stem}.overlay.jpg", overlay, _JPEG)
        if scene.picture is not None:
            self._write_image(f"{stem}.picture.png", scene.picture)
        if scene.depth is not None:
            centimetres = np.rint(100 * np.nan_to_num(scene.depth).clip(0, FARTHEST / 100))
            self._write_image(f"{stem}.depth.png", centimetres.astype(np.uint16))
        self._write_line(json.dumps(record(scene, self._classes)).encode() + b"\n")

    def tell(self, health: Health) -> None:
        """Nothing yet."""

    def close(self) -> None:
        if self._lines is not None:
            self._lines.close()
        elif self._new:
            self._lines_path.unlink(missing_ok=True)  # no frame came

    def _write_image(self, name: str, image: npt.NDArray[Any], how: tuple[int, ...] = ()) -> None:
        path = self._folder / name
        data = cv2.imencode(path.suffix, image, how)[1]
        try:
            file = path.open("wb")
        except OSError as error:  # and what stands there is not ours to remove
            raise self._error(path, error) from error
        try:
            with file:
                file.write(data.tobytes())
        except OSError as error:
            with suppress(OSError):  # where it cannot be removed either, the first error says why
                path.unlink()  # half an image would be taken for a whole one
            raise self._error(path, error) from error

    def _write_line(self, line: bytes) -> None:
        try:
            self._lines = self._lines or self._lines_path.open("wb", buffering=0)
        except OSError as error:
            raise self._error(self._lines_path, error) from error
        start = self._lines.tell()
        try:
            written = self._lines.write(line)
            if written != len(line):  # a full disk takes a part first; the next write says why
                self._lines.write(line[written:])
        except OSError as error:
            with suppress(OSError):  # where nothing can be taken back either, the first error says why
                self._lines.truncate(start)
            raise self._error(self._lines_path, error) from error

    def _error(self, path: Path, error: OSError) -> SinkError:
        return SinkError(f"sink {self.uri}: {path} cannot be written ({error.strerror})")


def record(scene: Scene, classes: ClassSet) -> dict[str, Any]:
    """A scene without its maps, as plain values: times in ns and ms, boxes and points in pixels.

    `key_points` and `latent` are there only where the scene has them.
    """
    values: dict[str, Any] = {
        "sequence": scene.sequence,
        "stem": scene.stem,
        "camera": scene.camera,
        "stamp_ns": scene.stamp_ns,
        "wall_ns": scene.wall_ns,
        "age_ms": round(scene.age_ms, 3),
        "status": str(scene.status),
        "instances": [
            {
                "id": one.id,
                "class_id": one.class_id,
                "class": classes.names[one.class_id],
                "score": round(one.score, 4),
                "box": [round(side, 2) for side in one.box],
                "track": one.track,
            }
            for one in scene.instances
        ],
        "lanes": [
            {
                "kind": lane.kind,
                "side": lane.side,
                "confidence": round(lane.confidence, 4),
                "points": lane.points.round(2).tolist(),
            }
            for lane in scene.lanes
        ],
        "timings_ms": {stage: round(ms, 3) for stage, ms in scene.timings_ms.items()},
    }
    if scene.key_points:
        values["key_points"] = [
            {
                "name": one.name,
                "x": round(one.x, 2),
                "y": round(one.y, 2),
                "score": round(one.score, 4),
            }
            for one in scene.key_points
        ]
    if scene.latent is not None:
        values["latent"] = [round(value, 6) for value in scene.latent.tolist()]
    return values
