"""What the node leaves of a drive, read from the folder sink's files, and how a reference is stored."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from perception import Lane, Scene
from tests.media import read_image

STEP = 2  # of rows and columns, one in so many is stored
# Of the report, what does not depend on the machine.
COUNTS = (
    "camera", "model", "engine", "captured", "published", "stale", "not_ready", "unreliable", "dropped",
    "findings", "messages", "connections", "restarts", "failure",
)  # fmt: skip


@dataclass(frozen=True)
class Recording:
    """A drive's scenes.

    Attributes:
        labels: uint8 (n, h, w) class ids, every STEP-th pixel of each frame.
        instance_map: uint16 (n, h, w), likewise.
        scenes: the lines of scenes.jsonl, with the stages' names in the place of their times and None for the
            age; added are `ego_lane`, corners or None, and `digest`, a hash of the full maps and the line.
        summary: the report's counts and keys, the names of the files, the keys of health.jsonl.
    """

    labels: npt.NDArray[np.uint8]
    instance_map: npt.NDArray[np.uint16]
    scenes: list[dict[str, Any]]
    summary: dict[str, Any]

    def save(self, path: Path) -> None:
        text = json.dumps({"scenes": self.scenes, "summary": self.summary}).encode()
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(
            path, labels=self.labels, instance_map=self.instance_map, text=np.frombuffer(text, np.uint8)
        )


def load_recording(path: Path) -> Recording:
    with np.load(path, allow_pickle=False) as arrays:
        text = json.loads(arrays["text"].tobytes())
        return Recording(arrays["labels"], arrays["instance_map"], text["scenes"], text["summary"])


def read_recording(folder: Path, report: dict[str, Any]) -> Recording:
    """What the folder sink wrote of a drive, and the report of its run, as `--json` prints it."""
    lines = _lines(folder / "scenes.jsonl")
    maps = [
        (
            read_image(folder / f"{line['stem']}.labels.png"),
            read_image(folder / f"{line['stem']}.instances.png"),
        )
        for line in lines
    ]
    summary = {
        **{name: report[name] for name in COUNTS},
        "report": sorted(report),
        "stages": list(report["stages"]),
        "sinks": [{name: sink[name] for name in ("uri", "written", "lost")} for sink in report["sinks"]],
        "files": sorted(path.name for path in folder.iterdir()),
        "images": sorted({f"{image.dtype} {image.shape}" for pair in maps for image in pair}),
        "health": sorted(_lines(folder / "health.jsonl")[0]),
    }
    return Recording(
        np.stack([labels[STEP // 2 :: STEP, STEP // 2 :: STEP] for labels, _ in maps]),
        np.stack([instances[STEP // 2 :: STEP, STEP // 2 :: STEP] for _, instances in maps]),
        [_timeless(line, *pair) for line, pair in zip(lines, maps, strict=True)],
        summary,
    )


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _timeless(
    line: dict[str, Any], labels: npt.NDArray[np.uint8], instance_map: npt.NDArray[np.uint16]
) -> dict[str, Any]:
    for lane in line["lanes"]:  # float32 that were rounded to hundredths
        lane["points"] = [[round(x, 2), round(y, 2)] for x, y in lane["points"]]
    line = line | {"age_ms": None, "timings_ms": list(line["timings_ms"])}
    lanes = tuple(
        Lane(np.array(one["points"], np.float32), one["kind"], one["confidence"], one["side"])
        for one in line["lanes"]
    )
    ego = Scene(0, 0, 0, "", "", labels, instance_map, lanes=lanes).ego_lane
    digest = hashlib.sha256(labels.tobytes() + instance_map.tobytes() + json.dumps(line).encode())
    return line | {
        "ego_lane": None if ego is None else [[round(x, 2), round(y, 2)] for x, y in ego.tolist()],
        "digest": digest.hexdigest()[:16],
    }
