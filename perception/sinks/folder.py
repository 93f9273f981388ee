"""Label maps, instance maps and overlays as images, and every scene as a line of JSON."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from perception.classes import ClassSet
from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import Health
from perception.interchange.files.folder import listed_stems
from perception.interchange.files.png import encode_ids
from perception.interchange.files.records import HEALTH, MASKS, SCENES, health_record, scene_record
from perception.scene import Scene
from perception.sinks.base import SinkKind, check_writable
from perception.sinks.jsonl import LineFile
from perception.sinks.kept_frames import KeptFrames
from perception.sinks.limits import Limits, folder_limits, size
from perception.sinks.lock import OutputLock
from perception.types import Image
from perception.uri import Uri, one_of

FARTHEST = 65535  # cm
ENDINGS = ("labels.png", "instances.png", "overlay.jpg", "picture.png", "depth.png")
_OF_A_FRAME = re.compile(rf"(.+)\.(?:{'|'.join(map(re.escape, ENDINGS))})")
_JPEG = (cv2.IMWRITE_JPEG_QUALITY, 90)


class FolderSink:
    """One set of files a frame, `<stem>` being the frame's stem, or its sequence number as %06d:

        <stem>.labels.png     uint8 class ids at the frame's resolution, 255 unknown, as the own car is
        <stem>.instances.png  uint16, class id × 1000 + k, 0 none
        <stem>.overlay.jpg    the scene drawn on the frame
        <stem>.picture.png    uint8 BGR: restored, enlarged, or the next frame as predicted
        <stem>.depth.png      uint16 centimetres at the frame's resolution, 0 unknown, 65535 that or farther
        scenes.jsonl          one line a frame, written once its images are whole: see `files.records`
        health.jsonl          one line each second, and when it changes

    Labels and instances are written where the network knows classes; pictures and depth where the scene has
    them.

    A folder that exists is reused: what an earlier run wrote there is replaced as a whole, once the first
    frame comes: scenes.jsonl, health.jsonl, and the files of exactly those frames that scenes.jsonl lists.
    All other files stay. With `again` the run goes on. Where all must fit into `limits.keep`, earlier frames
    stay until they are the oldest: lines are rotated into segments such as
    scenes-20261121T203357Z-0001.jsonl, and the oldest frames' files and segments are removed.

    Raises:
        SinkError: the folder or a file cannot be written.
    """

    wants_overlay = True

    def __init__(
        self, folder: Path, classes: ClassSet, options: "FolderOptions | None" = None, *, again: bool = False
    ) -> None:
        options = options or FolderOptions()
        limits = options.limits
        self.uri, self._folder, self._classes = str(folder), folder, classes
        self._masks = MASKS.get(options.masks)
        self._replaces = not again and limits.keep is None
        self._lines, self._healths = (
            LineFile(folder / name, append=again, segment=limits.segment) for name in (SCENES, HEALTH)
        )
        self._kept: KeptFrames | None = None
        try:
            self._lock = OutputLock(folder, folder=True)
        except OSError as error:
            raise self._error(folder, error) from error
        try:
            if limits.keep is not None:
                self._kept = KeptFrames(
                    folder,
                    limits.keep,
                    self._lines,
                    self._healths,
                    self._files_of,
                    lambda name: _OF_A_FRAME.fullmatch(name) is not None,
                )
                self._kept.begin("")
            self._new = check_writable(self._lines.path)
        except OSError as error:
            self._lock.release()
            raise self._error(Path(error.filename or folder), error) from error

    def write(self, frame: Frame, scene: Scene, overlay: Image) -> None:
        if self._replaces:
            self._remove_earlier()
            self._replaces = False
        stem = frame.stem or f"{frame.sequence:06d}"
        scene = scene.evolve(stem=stem)
        self._make_room(stem)
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
        self._write_line(self._lines, scene_record(scene, self._classes, self._masks))

    def write_health(self, health: Health) -> None:
        self._write_line(self._healths, health_record(health))

    def close(self) -> None:
        unused = self._new and self._lines.empty
        self._lines.close()
        self._healths.close()
        if unused:
            self._lines.path.unlink(missing_ok=True)  # no frame came
        self._new = False
        if self._kept is not None:
            self._kept.close()
        self._lock.release()

    def _make_room(self, stem: str) -> None:
        if self._kept is not None:
            try:
                self._kept.begin(stem)
            except OSError as error:
                raise self._error(Path(error.filename or self._folder), error) from error

    def _write_file(self, name: str, data: bytes | memoryview) -> None:
        path = self._folder / name
        try:
            if self._kept is not None:
                self._kept.replaces(path, len(data))
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

    def _write_line(self, lines: LineFile, values: dict[str, Any]) -> None:
        try:
            aside = lines.write(json.dumps(values).encode() + b"\n")
            if self._kept is not None:
                if aside is not None:
                    self._kept.renamed(aside)
                self._kept.trim()
        except OSError as error:
            raise self._error(Path(error.filename or lines.path), error) from error

    def _remove_earlier(self) -> None:
        """Remove the files of the frames that an earlier run has listed, and nothing else."""
        path = self._lines.path
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
            for stem in listed_stems(lines):
                if Path(stem).name == stem:  # a name, that leads nowhere else
                    for one in self._files_of(stem):
                        one.unlink(missing_ok=True)
        except OSError as error:
            raise self._error(Path(error.filename or path), error) from error

    def _files_of(self, stem: str) -> list[Path]:
        return [self._folder / f"{stem}.{ending}" for ending in ENDINGS]

    def _error(self, path: Path, error: OSError) -> SinkError:
        return SinkError(f"sink {self.uri}: {path} cannot be written ({error.strerror})")


@dataclass(frozen=True, slots=True)
class FolderOptions:
    """`masks`: also writes each instance's pixels into scenes.jsonl, in one of these forms."""

    limits: Limits = field(default_factory=Limits)
    masks: str = ""


def _options(uri: Uri) -> FolderOptions:
    values = uri.options({"keep": size, "masks": one_of(tuple(MASKS))})
    return FolderOptions(folder_limits(values.get("keep")), values.get("masks", ""))


KIND = SinkKind(
    "a folder (labels/)",
    lambda given, how: FolderSink(Path(given.uri.place), how.classes, given.options, again=how.again),
    read=_options,
    on_disk=True,
    options={
        "keep": "such as 5GB: room of all frames, also of earlier runs; the oldest go",
        "masks": "rle or polygons: each instance's pixels in scenes.jsonl, as COCO has them",
    },
)
