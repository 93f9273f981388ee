"""Label maps, instance maps and overlays as images, and every scene as a line of JSON."""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from perception.classes import ClassSet
from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.scene import Scene
from perception.sinks.base import SinkKind, check_writable
from perception.sinks.jsonl import LineFile
from perception.sinks.limits import Limits, folder_limits
from perception.sinks.png import encode_ids
from perception.sinks.segments import Budget, numbered
from perception.types import Image

FARTHEST = 65535  # cm
_LINES, _HEALTH = "scenes.jsonl", "health.jsonl"
_OF_A_FRAME = re.compile(r"(.+)\.(?:labels|instances|overlay|picture|depth)\.(?:png|jpg)")
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 90)


class FolderSink:
    """One set of files a frame, `<stem>` being the frame's stem, or its sequence number as %06d:

        <stem>.labels.png     uint8 class ids at the frame's resolution, 255 unknown, as the own car is
        <stem>.instances.png  uint16, class id × 1000 + k, 0 none
        <stem>.overlay.jpg    the scene drawn on the frame
        <stem>.picture.png    uint8 BGR: restored, enlarged, or the next frame as predicted
        <stem>.depth.png      uint16 centimetres at the frame's resolution, 0 unknown, 65535 that or farther
        scenes.jsonl          one line a frame, written once its images are whole: see `record`
        health.jsonl          one line each second, and when it changes: see `Health.as_json`

    Labels and instances are written where the network knows classes; pictures and depth where the scene has
    them.

    A folder that exists is reused: files of the same names are replaced, those of other names stay, also the
    pictures of an earlier run; scenes.jsonl and health.jsonl are replaced at their first lines. With `again`
    they are continued. Where all must fit into `limits.keep`, lines are rotated into segments such as
    scenes-20261121T203357Z-0001.jsonl, and the oldest frames' files and segments are removed, also those of
    earlier runs.

    Raises:
        SinkError: the folder or a file cannot be written.
    """

    wants_overlay = True

    def __init__(
        self, folder: Path, classes: ClassSet, limits: Limits | None = None, *, again: bool = False
    ) -> None:
        limits = limits or Limits()
        self.uri, self._folder, self._classes = str(folder), folder, classes
        self._lines, self._healths = (
            LineFile(folder / name, append=again, segment=limits.segment) for name in (_LINES, _HEALTH)
        )
        self._budget = None if limits.keep is None else Budget(limits.keep)
        self._stem = ""
        try:
            self._new = check_writable(self._lines.path)
            if self._budget is not None:
                self._note_all(self._budget)
        except OSError as error:
            raise self._error(Path(error.filename), error) from error

    def write(self, frame: Frame, scene: Scene, overlay: Image) -> None:
        stem = self._stem = frame.stem or f"{frame.sequence:06d}"
        scene = scene.evolve(stem=stem)
        if len(self._classes):
            self._write_file(f"{stem}.labels.png", encode_ids(scene.labels))
            self._write_file(f"{stem}.instances.png", encode_ids(scene.instance_map))
        self._write_file(f"{stem}.overlay.jpg", cv2.imencode(".jpg", overlay, _JPEG)[1].data)
        if scene.picture is not None:
            self._write_file(f"{stem}.picture.png", cv2.imencode(".png", scene.picture)[1].data)
        if scene.depth is not None:
            centimetres = np.rint(100 * np.nan_to_num(scene.depth).clip(0, FARTHEST / 100))
            depth = cv2.imencode(".png", centimetres.astype(np.uint16))[1]
            self._write_file(f"{stem}.depth.png", depth.data)
        self._write_line(self._lines, record(scene, self._classes))

    def write_health(self, health: Health) -> None:
        self._write_line(self._healths, health.as_json())

    def close(self) -> None:
        unused = self._new and self._lines.empty
        self._lines.close()
        self._healths.close()
        if unused:
            self._lines.path.unlink(missing_ok=True)  # no frame came
        self._new = False

    def _write_file(self, name: str, data: bytes | memoryview) -> None:
        path = self._folder / name
        try:
            file = path.open("wb")
        except OSError as error:  # what is there is not ours to remove
            raise self._error(path, error) from error
        try:
            with file:
                file.write(data)
        except OSError as error:
            with suppress(OSError):  # where removal fails too, the first error says why
                path.unlink()  # half an image would be taken for a whole one
            raise self._error(path, error) from error
        if self._budget is not None:
            self._budget.note(self._stem, path, len(data))

    def _write_line(self, lines: LineFile, values: dict[str, Any]) -> None:
        try:
            aside = lines.write(json.dumps(values).encode() + b"\n")
            if self._budget is not None:
                if aside is not None:
                    self._budget.note(aside.name, aside, aside.stat().st_size)
                self._budget.trim(self._lines.size + self._healths.size)
        except OSError as error:
            raise self._error(Path(error.filename or lines.path), error) from error

    def _note_all(self, budget: Budget) -> None:
        """Count what earlier runs have left, the oldest first."""
        files = [path for path in self._folder.iterdir() if _OF_A_FRAME.fullmatch(path.name)]
        files += [path for lines in (self._lines, self._healths) for path in numbered(lines.path).values()]
        found = sorted((path.stat().st_mtime_ns, path) for path in files)
        for _, path in found:
            match = _OF_A_FRAME.fullmatch(path.name)
            budget.note(match[1] if match else path.name, path, path.stat().st_size)

    def _error(self, path: Path, error: OSError) -> SinkError:
        return SinkError(f"sink {self.uri}: {path} cannot be written ({error.strerror})")


def record(scene: Scene, classes: ClassSet) -> dict[str, Any]:
    """A scene without its maps, as plain values: times in ns and ms, boxes and points in pixels.

    `key_points`, `latent` and `ego_mask`, its share of the picture, are there only where the scene has them.
    """
    values: dict[str, Any] = {
        "sequence": scene.sequence,
        "stem": scene.stem,
        "camera": scene.camera,
        "stamp_ns": scene.stamp_ns,
        "wall_ns": scene.wall_ns,
        "age_ms": round(scene.age_ms, 3),
        "status": str(scene.status),
        "reasons": list(scene.reasons),
        "left_out": list(scene.left_out),
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
                "points": lane.points.round(2).astype(np.float64).round(2).tolist(),  # no digits of float32
            }
            for lane in scene.lanes
        ],
        "timings_ms": {stage: round(ms, 3) for stage, ms in scene.timings_ms.items()},
    }
    if scene.key_points:
        values["key_points"] = [
            {"name": one.name, "x": round(one.x, 2), "y": round(one.y, 2), "score": round(one.score, 4)}
            for one in scene.key_points
        ]
    if scene.ego_mask is not None:
        values["ego_mask"] = round(float(scene.ego_mask.mean()), 4)
    if scene.latent is not None:
        values["latent"] = [round(value, 6) for value in scene.latent.tolist()]
    return values


KIND = SinkKind(
    "a folder (labels/)",
    lambda given, how: FolderSink(Path(given.uri.place), how.classes, given.options, again=how.again),
    read=folder_limits,
    on_disk=True,
)
