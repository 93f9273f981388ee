"""A folder as a run writes it: a short drive with tracks, holes, parts, lanes and an ego lane."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.classes import DRIVE
from perception.frame import Frame
from perception.health.types import Condition, Health, Level, NodeState, SinkState
from perception.scene import Instance, KeyPoint, Lane, Scene, Signal
from perception.sinks.folder import FolderOptions, FolderSink

HEIGHT, WIDTH = 144, 256
ROAD, SKY, VEHICLE, PEDESTRIAN = (DRIVE.id(name) for name in ("road", "sky", "vehicle", "pedestrian"))
HEALTH = Health(
    "front",
    NodeState.ACTIVE,
    Signal.OK,
    Level.WARN,
    conditions=(Condition("sink", Level.WARN, "full", 1.5),),
    silent_ms=3.0,
    dropped={"superseded": 2},
    sinks=(SinkState("labels/", 3, {"queue full": 1}),),
)


def a_frame(sequence: int) -> tuple[Frame, Scene]:
    """A vehicle that drives to the right behind a pole, with a hole and a part; a pedestrian; one unsure."""
    frame = Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 50_000_000 * sequence, sequence=sequence)
    ids = np.zeros((HEIGHT, WIDTH), np.uint16)
    x = 20 + 3 * sequence
    cv2.ellipse(ids, (x + 25, 70), (25, 14), 10, 0, 360, 8001, -1)
    ids[66:70, x + 20 : x + 26] = 0  # its window
    ids[:, x + 35 : x + 37] = 0  # the pole
    ids[50:90, 150:160] = 9001
    ids[100:106, 200:230] = 8002
    labels = np.where(ids > 0, ids // 1000, ROAD).astype(np.uint8)
    labels[:40] = SKY
    labels[40:44, :10] = 255
    boxes = {}
    for one in (8001, 8002, 9001):
        rows, columns = np.nonzero(ids == one)
        x0, y0, x1, y1 = map(float, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        boxes[one] = x0, y0, x1, y1
    instances = (
        Instance(8001, VEHICLE, 0.9, boxes[8001], 7),
        Instance(8002, VEHICLE, 0.3, boxes[8002]),
        Instance(9001, PEDESTRIAN, 0.75, boxes[9001], 3),
    )
    lanes = (
        Lane(np.array([[60.5, 143], [110, 44.25]], np.float32), "solid", 0.9, "left"),
        Lane(np.array([[240, 143], [140, 44]], np.float32), "dashed", 0.8, "right"),
        Lane(np.array([[300, 143], [250, 100], [170, 60]], np.float32), "unknown", 0.5),
    )
    scene = Scene.of(
        frame,
        labels,
        ids,
        instances=instances,
        lanes=lanes,
        timings_ms={"infer": 20.0, "decode": 4.0},
        key_points=(KeyPoint("head", 155.0, 51.0, 0.9),) if sequence else (),
    )
    return frame, scene


def write_folder(folder: Path, frames: int = 4, masks: str = "") -> Path:
    sink = FolderSink(folder, DRIVE, FolderOptions(masks=masks))
    for sequence in range(frames):
        frame, scene = a_frame(sequence)
        sink.write(frame, scene, frame.image)
    sink.write_health(HEALTH)
    sink.close()
    return folder


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "drive7")
