"""The lines of scenes.jsonl and health.jsonl, and their JSON Schemas.

In one version keys may be added; none goes, and none changes its meaning.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter

from perception.classes import ClassSet
from perception.health.types import Health, Level
from perception.interchange.files.masks import flat, outlines, rles
from perception.scene import Scene, Side, Status
from perception.types import Floats

VERSION: Literal[1] = 1
SCENES, HEALTH = "scenes.jsonl", "health.jsonl"
Point = tuple[float, float]
Masks = Callable[[npt.NDArray[np.uint16]], Mapping[int, Any]]  # of an instance map: id → segmentation


class _Record(BaseModel):
    """Defaults are for lines that other programs or earlier versions wrote: all keys are in ours."""

    model_config = ConfigDict(
        frozen=True, use_attribute_docstrings=True, json_schema_serialization_defaults_required=True
    )


class RleRecord(_Record):
    """A mask in COCO's compressed run lengths, as `pycocotools.mask.decode` takes it."""

    size: tuple[int, int]
    """Height and width of the frame."""
    counts: str


class InstanceRecord(_Record):
    """One road user."""

    id: int = Field(ge=1, le=65535)
    """Value of its pixels in STEM.instances.png: class id × 1000 + k, k from 1."""
    class_id: int = Field(ge=0, le=64)
    class_name: str = Field("", alias="class")
    score: float = Field(ge=0, le=1)
    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in pixels of the frame; x1 and y1 are exclusive."""
    track: int | None = None
    """Id that stays with it from frame to frame; null without tracking."""
    distance_m: float | None = None
    """Only where known: metres ahead of the camera, along the road."""
    distance_sd_m: float | None = None
    """Its standard deviation, as all of those called sd."""
    lateral_m: float | None = None
    """Metres to the left of the camera."""
    lateral_sd_m: float | None = None
    ttc_s: float | None = None
    """Only where it comes nearer, and that is known: seconds until it is level with the camera."""
    ttc_sd_s: float | None = None
    segmentation: RleRecord | list[list[float]] | None = None
    """Only with `masks=rle` or `masks=polygons`: its pixels, in one of COCO's two forms."""


class LaneRecord(_Record):
    """One lane boundary."""

    kind: str
    """Solid, dashed or unknown."""
    side: Side | None = None
    """On the boundaries of the ego lane."""
    confidence: float = Field(ge=0, le=1)
    points: list[Point]
    """x, y in pixels of the frame, from near to far."""
    metres: list[Point | None] | None = None
    """Only with a calibration: of each point, metres ahead and to the left; null where it meets no road."""
    metres_sd: list[Point | None] | None = None


class RoadRecord(_Record):
    """The ego lane in metres; what is not known is null, with its deviation."""

    offset_m: float | None = None
    """Of the camera from the lane's middle, to the left."""
    offset_sd_m: float | None = None
    width_m: float | None = None
    width_sd_m: float | None = None
    heading_rad: float | None = None
    """Of the car against the lane, to the left."""
    heading_sd_rad: float | None = None
    curvature_per_m: float | None = None
    """Positive: the lane bends to the left."""
    curvature_sd_per_m: float | None = None
    pitch_rad: float | None = None
    """By which the camera looks down against the road now."""
    pitch_sd_rad: float | None = None


class KeyPointRecord(_Record):
    """One joint of somebody."""

    name: str
    x: float
    y: float
    score: float = Field(ge=0, le=1)


def _in_folder(stem: str) -> str:
    """What files are called by must not lead out of their folder."""
    if "/" in stem or "\0" in stem or stem in {"", ".", ".."}:
        raise ValueError("must be a name of files in this folder")
    return stem


class SceneRecord(_Record):
    """One line of scenes.jsonl: a scene without its maps; places are in pixels of the frame."""

    version: Literal[1] = VERSION
    sequence: int = Field(0, ge=0)
    """The frame's position in the source's stream, from 0; a gap means that frames were dropped."""
    stem: Annotated[str, AfterValidator(_in_folder)]
    """Name of the frame's files: STEM.labels.png and so on."""
    camera: str = "front"
    class_set: str = ""
    """Name of the classes that the ids of maps and instances are of."""
    stamp_ns: int = 0
    """Live cameras: the host's monotonic clock; recordings: their own time, from the first frame."""
    wall_ns: int = 0
    """Since the Unix epoch; 0 where the recording does not know it."""
    age_ms: float = 0.0
    """From capture to publication."""
    status: Status = Status.OK
    reasons: list[str] = []
    """What is wrong with the picture, for people."""
    left_out: list[str] = []
    """What was not looked for, to keep up; that there are none says nothing."""
    instances: list[InstanceRecord]
    lanes: list[LaneRecord] = []
    ego_lane: list[Point] | None = None
    """Corners of the region between the ego lane's boundaries; null without both of them."""
    timings_ms: dict[str, float] = {}
    """How long each stage took."""
    road: RoadRecord | None = None
    """Only with a calibration, and where the ego lane is known."""
    key_points: list[KeyPointRecord] = []
    """Only where there are any."""
    ego_mask: float | None = Field(None, ge=0, le=1)
    """Only where a mask is in force: the own car's share of the picture."""
    latent: list[float] | None = None
    """Only of an autoencoder: the frame's code."""

    @property
    def looked_for(self) -> bool:
        """Whether road users were: else that there are none says nothing."""
        return self.status not in {Status.NOT_READY, Status.NO_SIGNAL} and not self.left_out


_PLACE = "distance_m", "distance_sd_m", "lateral_m", "lateral_sd_m", "ttc_s", "ttc_sd_s"
_ONLY_WHERE_KNOWN = {
    *_PLACE, "segmentation", "metres", "metres_sd", "road", "key_points", "ego_mask", "latent",
}  # fmt: skip


def scene_record(scene: Scene, classes: ClassSet, masks: Masks | None = None) -> dict[str, Any]:
    """A scene as a line of scenes.jsonl, in plain values.

    Args:
        masks: also gives each instance its pixels.
    """
    segmentations = {} if masks is None else masks(scene.instance_map)
    ego_lane = scene.ego_lane
    values: dict[str, Any] = {
        "version": VERSION,
        "sequence": scene.sequence,
        "stem": scene.stem or f"{scene.sequence:06d}",  # as the folder sink names its files
        "camera": scene.camera,
        "class_set": classes.name,
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
            | {name: round(value, 3) for name in _PLACE if (value := getattr(one, name)) is not None}
            | ({"segmentation": segmentations[one.id]} if masks else {})
            for one in scene.instances
        ],
        "lanes": [
            {
                "kind": lane.kind,
                "side": lane.side,
                "confidence": round(lane.confidence, 4),
                "points": _points(lane.points),
            }
            | ({} if lane.metres is None else {"metres": _known_points(lane.metres)})
            | ({} if lane.metres_sd is None else {"metres_sd": _known_points(lane.metres_sd)})
            for lane in scene.lanes
        ],
        "ego_lane": None if ego_lane is None else _points(ego_lane),
        "timings_ms": {stage: round(ms, 3) for stage, ms in scene.timings_ms.items()},
    }
    if scene.road is not None:
        values["road"] = {
            name: None if value is None else round(value, 6) for name, value in asdict(scene.road).items()
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


def _points(points: Floats) -> list[list[float]]:
    """To the hundredth of a pixel, without the further digits of float32."""
    rounded: list[list[float]] = points.round(2).astype(np.float64).round(2).tolist()
    return rounded


def _known_points(points: Floats) -> list[list[float] | None]:
    """To the millimetre; None for what is not known: JSON has no NaN."""
    rounded: list[list[float]] = points.astype(np.float64).round(3).tolist()
    return [point if all(map(math.isfinite, point)) else None for point in rounded]


def polygons(ids: npt.NDArray[np.uint16]) -> dict[int, list[list[float]]]:
    """Each id but 0 of a map (h, w) with its mask as polygons of COCO; see `masks.outlines`."""
    values = np.flatnonzero(np.bincount(ids.ravel()))
    return {one: [flat(part) for part in outlines(ids == one)] for one in values.tolist() if one}


MASKS: dict[str, Masks] = {"rle": rles, "polygons": polygons}


def health_record(health: Health) -> dict[str, Any]:
    """A node's state as a line of health.jsonl, in plain values."""
    return {"version": VERSION} | health.as_json()


def class_records(classes: ClassSet) -> list[dict[str, Any]]:
    """What the ids of maps mean: `id`, `name`, `colour` as R, G, B, and `thing`: it comes as instances."""
    rows = zip(classes.names, classes.colours, strict=True)
    return [
        {"id": i, "name": name, "colour": list(colour), "thing": name in classes.things}
        for i, (name, colour) in enumerate(rows)
    ]


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schemas (draft 2020-12) of both files' lines, by the files' names."""
    scene = SceneRecord.model_json_schema(mode="serialization")
    for one in (scene, *scene["$defs"].values()):
        if "required" in one:
            one["required"] = [name for name in one["required"] if name not in _ONLY_WHERE_KNOWN]
    health = TypeAdapter(Health).json_schema(mode="serialization")
    health["$defs"]["Level"] = {"enum": [level.name.lower() for level in Level], "type": "string"}
    health["properties"] = {"version": {"const": VERSION, "type": "integer"}} | health["properties"]
    for one in (health, *health["$defs"].values()):
        if "properties" in one:
            one["required"] = list(one["properties"])
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {SCENES: draft | scene, HEALTH: draft | health}
