"""Scenes as perception run writes them, made up; and their rows and doubt by plain Python."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from perception.classes import DRIVE
from perception.fleet.record import DriveRecord
from perception.fleet.table import GAP
from perception.interchange.files.records import SCENES, class_records

Scene = dict[str, Any]
CLASSES = {"vehicle": 8, "pedestrian": 9, "two_wheeler": 10}
FRAME_NS = 40_000_000
DONE: dict[str, Any] = {
    "drive": "a.mp4",
    "configuration": "",
    "versions": {},
    "engine": "onnx-cpu",
    "model": "drive",
    "digest": "",
    "frames": 1,
    "dropped": 0,
    "seconds": 1.0,
    "seen": {},
    "statuses": {},
    "events": {},
    "classes": class_records(DRIVE),
}


def user(name: str = "vehicle", track: int | None = None, k: int = 1, **more: Any) -> dict[str, Any]:
    box = [10.0, 20.0, 30.0, 50.0]
    number = CLASSES.get(name, 3)
    values = {"id": 1000 * number + k, "class_id": number, "class": name, "score": 0.75, "box": box}
    return values | {"track": track} | more


def scene(sequence: int, *users: dict[str, Any], **more: Any) -> Scene:
    values = {"version": 1, "sequence": sequence, "stem": f"{sequence:06d}", "camera": "front"}
    values |= {"stamp_ns": sequence * FRAME_NS, "wall_ns": 0, "age_ms": 30.5, "status": "ok", "reasons": []}
    return values | {"left_out": [], "instances": list(users), "lanes": []} | more


def write_drive(folder: Path, scenes: list[Scene], **done: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCENES).write_text("".join(json.dumps(one) + "\n" for one in scenes), encoding="utf-8")
    if done:
        DriveRecord(**DONE | done).write(folder)
    return folder


def rows_of(scenes: list[Scene]) -> list[dict[str, Any]]:
    """A row a road user, or one for a frame without any: what the table must hold, but for `doubt`."""
    rows = []
    for frame, one in enumerate(scenes):
        road = one.get("road") or {}
        of_frame = {key: one[key] for key in ("sequence", "stem", "camera", "stamp_ns", "wall_ns", "age_ms")}
        of_frame |= {"frame": frame, "status": one["status"], "reasons": one["reasons"]}
        of_frame |= {"lanes": len(one["lanes"]), "road_offset_m": road.get("offset_m")}
        of_frame |= {"road_width_m": road.get("width_m"), "curvature_per_m": road.get("curvature_per_m")}
        for user in one["instances"] or [{}]:
            own = {key: user.get(key) for key in ("id", "class", "score", "track")}
            own |= dict(zip(("x0", "y0", "x1", "y1"), user.get("box", [None] * 4), strict=True))
            own |= {key: user.get(key) for key in ("distance_m", "lateral_m", "ttc_s")}
            rows.append(of_frame | own)
    return rows


def doubts_of(scenes: list[Scene]) -> list[float | None]:
    """By the definition at the head of `table`."""
    frames = defaultdict(set)
    for i, one in enumerate(scenes):
        for user in one["instances"]:
            if user["track"] is not None:
                frames[user["track"]].add(i)
    doubts: list[float | None] = []
    for i, one in enumerate(scenes):
        doubt = 0.0
        for user in one["instances"]:
            alone = user["track"] is not None and frames[user["track"]] == {i} and 0 < i < len(scenes) - 1
            doubt += 1 if alone else 1 - user["score"]
        for there in frames.values():
            before, after = [j for j in there if j < i], [j for j in there if j > i]
            if i not in there and before and after and min(after) - max(before) - 1 <= GAP:
                doubt += 1
        judged = one["status"] == "ok" and "instances" not in one["left_out"]
        doubts.append(round(doubt, 4) if judged else None)
    return doubts


def _maybe(values: st.SearchStrategy[float]) -> st.SearchStrategy[float | None]:
    return st.none() | values


_METRES = st.integers(-200, 1000).map(lambda tenths: tenths / 10)
_USERS = st.builds(
    user,
    st.sampled_from(list(CLASSES)),
    st.none() | st.integers(1, 4),
    score=st.integers(0, 20).map(lambda twentieths: twentieths / 20),
    box=st.lists(st.integers(0, 40).map(lambda halves: halves / 2), min_size=4, max_size=4),
    distance_m=_maybe(_METRES),
    lateral_m=_maybe(_METRES),
    ttc_s=_maybe(_METRES),
)
_STATUSES = st.sampled_from(["ok", "ok", "ok", "unreliable", "stale"])
_ROADS = st.none() | st.fixed_dictionaries({}, optional={"offset_m": _METRES, "width_m": _maybe(_METRES)})


def _drive(frames: list[tuple[list[dict[str, Any]], str, Any, list[str]]]) -> list[Scene]:
    """One road user a track in each frame, as trackers give them."""
    scenes = []
    for i, (users, status, road, left_out) in enumerate(frames):
        own: dict[Any, dict[str, Any]] = {}
        for k, one in enumerate(users):
            own.setdefault(one["track"] or f"none {k}", one | {"id": one["class_id"] * 1000 + 1 + k})
        reasons = [] if status == "ok" else ["the picture is blurred: sharpness 12, at least 40"]
        lanes = [{"kind": "solid"}] * (i % 3)
        more = {} if road is None else {"road": road}
        found = scene(
            i, *own.values(), status=status, reasons=reasons, lanes=lanes, left_out=left_out, **more
        )
        scenes.append(found)
    return scenes


drives = st.lists(
    st.tuples(
        st.lists(_USERS, max_size=4), _STATUSES, _ROADS, st.sampled_from([[], [], ["instances"], ["lanes"]])
    ),
    max_size=8,
).map(_drive)
