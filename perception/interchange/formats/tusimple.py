"""TuSimple's lane benchmark: a line of JSON an image, with each lane's x at rows that all lanes share."""

import json
from pathlib import Path

import numpy as np

from perception.interchange.files.folder import SceneFolder
from perception.interchange.files.records import LaneRecord
from perception.interchange.formats.base import Names

STEP = 10  # px between rows; the first is at 160 of 720, as in the benchmark
FIRST = 160 / 720
NONE = -2


def write_tusimple(source: SceneFolder, out: Path, names: Names) -> list[str]:
    """`lanes.json`; a lane that ends within the image has x = -2 in the rows beyond."""
    lines = []
    count = 0
    for scene in source.scenes:
        height, width = source.instance_map(scene).shape
        rows = list(range(round(FIRST * height / STEP) * STEP, height, STEP))
        lanes = [xs for xs in (_columns(lane, rows, width) for lane in scene.lanes) if set(xs) != {NONE}]
        count += len(lanes)
        values = {
            "lanes": lanes,
            "h_samples": rows,
            "raw_file": names.of(scene.stem),
            "run_time": round(sum(scene.timings_ms.values())),
        }
        lines.append(json.dumps(values) + "\n")
    out.mkdir(parents=True, exist_ok=True)
    (out / "lanes.json").write_text("".join(lines))
    return [f"{out / 'lanes.json'}: {count} lanes in {len(lines)} images"]


def _columns(lane: LaneRecord, rows: list[int], width: int) -> list[int]:
    """The lane's x in each row, to the pixel."""
    points = np.array(lane.points, np.float64).reshape(-1, 2)
    points = points[np.argsort(points[:, 1], kind="stable")]
    if not len(points):
        return [NONE] * len(rows)
    x = np.rint(np.interp(rows, points[:, 1], points[:, 0], left=np.nan, right=np.nan))
    return [int(column) for column in np.where((x >= 0) & (x < width), x, NONE)]
