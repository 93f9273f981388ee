"""The frames that differ most, as pictures: A, B, and where they differ."""

from pathlib import Path

import cv2
import numpy as np

from perception.app.diff.compare import matches
from perception.app.diff.report import Report
from perception.app.diff.run import Maps, Run
from perception.errors import ConfigError
from perception.interchange.files.records import SceneRecord
from perception.overlay.style import AMBER, RED, WHITE, text_height, text_width, write
from perception.types import Image

_DIM = 0.4  # of the overlay's brightness, below what is marked


def draw_worst(count: int, folder: Path, report: Report, runs: tuple[Run, Run]) -> None:
    """Write A's overlay, B's, and A's dimmed: labels that differ in red, road users of one run outlined.

    Raises:
        ConfigError: the pictures cannot be written.
        DataError: as from `Run`.
    """
    scenes = {id(one): pair for one, pair in zip(report.frames, report.pairing.pairs, strict=True)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written ({error.strerror})") from error
    for number, one in enumerate(report.worst[: max(count, 0)], 1):
        path = folder / f"{number:03d}-{one.stem}.png"
        picture = _side_by_side(runs, scenes[id(one)])
        if picture is not None and not cv2.imwrite(str(path), picture):
            raise ConfigError(f"{path}: cannot be written")


def _side_by_side(runs: tuple[Run, Run], scenes: tuple[SceneRecord, SceneRecord]) -> Image | None:
    """None where the runs hold neither maps nor overlays."""
    shown = {
        title: overlay
        for title, run, scene in zip("AB", runs, scenes, strict=True)
        if (overlay := run.overlay(scene)) is not None
    }
    of_a, of_b = (run.maps(scene) for run, scene in zip(runs, scenes, strict=True))
    if of_a is not None and of_b is not None:
        ground = shown.get("A", np.zeros((*of_a.labels.shape, 3), np.uint8))
        shown["differences"] = _marked(ground, of_a, of_b)
    if not shown:
        return None
    height = min(len(picture) for picture in shown.values())
    return np.hstack([_titled(picture[:height], title) for title, picture in shown.items()])


def _marked(ground: Image, a: Maps, b: Maps) -> Image:
    picture = (ground * _DIM).astype(np.uint8)
    picture[a.labels != b.labels] = RED
    pairs = matches(a.instances, b.instances)
    for ids, partners, colour in (
        (a.instances, {one for one, *_ in pairs}, AMBER),
        (b.instances, {other for _, other, _ in pairs}, WHITE),
    ):
        for one in set(np.unique(ids).tolist()) - {0} - partners:
            mask = (ids == one).astype(np.uint8)
            outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
            cv2.drawContours(picture, outlines, -1, colour, 2)
    return picture


def _titled(picture: Image, title: str) -> Image:
    picture = picture.copy()
    height = text_height(picture)
    cv2.rectangle(picture, (0, 0), (text_width(title, height) - 1, height - 1), (0, 0, 0), cv2.FILLED)
    write(picture, title, (0, 0), height, WHITE)
    return picture
