"""What the node publishes: for one frame, what every pixel is and who is on the road."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, UNKNOWN, ClassSet
from perception.frame import Frame
from perception.resample import Enlarged, MapField
from perception.scene_items import Instance, KeyPoint, Lane, Road, Side
from perception.types import Bools, Image

if TYPE_CHECKING:
    import pandas as pd
    import supervision as sv


__all__ = [
    "COLUMNS",
    "Instance",
    "KeyPoint",
    "Lane",
    "Road",
    "Scene",
    "Side",
    "Signal",
    "Status",
    "unknown_scene",
]


class Signal(StrEnum):
    """Whether the camera gives frames now."""

    OK = "ok"
    STALE = "stale"  # none for two frame periods: the last scene grows old
    NO_SIGNAL = "no signal"  # none for so long that nothing is known any more, or none yet


class Status(StrEnum):
    """Whether a scene may be trusted; see `Scene.as_of`."""

    OK = "ok"
    STALE = "stale"  # older than `Scene.max_age_ms`
    NOT_READY = "not_ready"  # all is unknown: the engine is still being built
    UNRELIABLE = "unreliable"  # `Scene.reasons` say what is wrong with the picture
    NO_SIGNAL = "no_signal"  # all is unknown: the camera has given no frame for longer than it may


_BOX = "x0", "y0", "x1", "y1"
_PLACE = "distance_m", "distance_sd_m", "lateral_m", "lateral_sd_m", "ttc_s", "ttc_sd_s"
_PLAIN = "camera", "sequence", "stamp_ns", "id", "track", "class_id", "class", "score", *_BOX, "area"
COLUMNS = [*_PLAIN, *_PLACE]


@dataclass(frozen=True, repr=False)
class Scene:
    """Everything known of one frame, under that frame's own stamp.

    Labels and instance map are enlarged to the frame's size when they are read; `evolve` does not read them.

    Attributes:
        sequence, stamp_ns, wall_ns, stem, camera, recording: those of the frame.
        labels: uint8 (height, width) class ids at the frame's resolution; 255 is unknown, as all is where
            the network gives no classes.
        instance_map: uint16 (height, width); 0 none, else `Instance.id`.
        instances: the road users, in the order of their ids.
        lanes: the lane boundaries.
        picture: uint8 (h, w, 3) BGR: the frame restored or enlarged, or the next one as predicted; of the
            frame's size, or a whole multiple where the network enlarges. None where the network gives none,
            as with the others.
        road: the ego lane in metres, where the camera is calibrated and its boundaries are seen.
        depth: float32 (height, width), distance along the camera's axis in metres.
        key_points: joints of people, those of the same name one after the other, the surest first.
        latent: float32 (k,), an autoencoder's code of the frame.
        logits: float32 (classes, h, w) that the labels are from, as the network gives them; None where it
            gives none, after `LabelTracker`, and in what a node publishes.
        ego_mask: bool (height, width): where the own car is in view, and nothing is looked for: labels are
            255 there. None where no mask is in force.
        host_ns: when the frame was captured, or for a recording when it was due or read, by the host's
            monotonic clock: ages count from then.
        max_age_ms: a scene older than that is stale; None: it never is, as of a recording.
        status: whether the scene may be trusted, as of when it had `age_ms`.
        reasons: what is wrong with the picture, for people, such as "the picture is black".
        left_out: what was not looked for, to keep up: "instances", "lanes". That there are none says nothing.
        age_ms: since `host_ns`, when the status was last judged: at publication, and by `as_of`.
        timings_ms: how long each stage took.
        classes: what the ids in `labels` and of the instances mean.
    """

    sequence: int
    stamp_ns: int
    wall_ns: int
    stem: str
    camera: str
    labels: MapField[np.uint8] = MapField()
    instance_map: MapField[np.uint16] = MapField()
    instances: tuple[Instance, ...] = ()
    lanes: tuple[Lane, ...] = ()
    road: Road | None = None
    picture: npt.NDArray[np.uint8] | None = None
    depth: npt.NDArray[np.float32] | None = None
    key_points: tuple[KeyPoint, ...] = ()
    latent: npt.NDArray[np.float32] | None = None
    logits: npt.NDArray[np.float32] | None = None
    ego_mask: npt.NDArray[np.bool_] | None = None
    host_ns: int = 0
    max_age_ms: float | None = None
    status: Status = Status.OK
    reasons: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    age_ms: float = 0.0
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    recording: int = 0
    classes: ClassSet = DRIVE

    def __repr__(self) -> str:
        height, width = self.size
        counts = Counter(self.classes.names[one.class_id] for one in self.instances)
        seen = [f"{count} {name}" for name, count in counts.most_common()]
        if self.lanes:
            seen.append("1 lane boundary" if len(self.lanes) == 1 else f"{len(self.lanes)} lane boundaries")
        what = ", ".join(seen) or "nothing"
        return f"<Scene {self.sequence} of {self.camera}, {width}×{height}, {self.status}: {what}>"

    @classmethod
    def of(
        cls,
        frame: Frame,
        labels: npt.NDArray[np.uint8] | Enlarged[np.uint8],
        instance_map: npt.NDArray[np.uint16] | Enlarged[np.uint16],
        **more: Any,
    ) -> Self:
        """The scene of that frame, under its stamps; `more` are further attributes."""
        return cls(
            frame.sequence,
            frame.stamp_ns,
            frame.wall_ns,
            frame.stem,
            frame.camera,
            labels,
            instance_map,
            host_ns=frame.host_ns,
            recording=frame.recording,
            **more,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the frame."""
        height, width = vars(self)["labels"].shape
        return height, width

    @property
    def coarse_labels(self) -> Image:
        """The labels before they are enlarged to the frame's size, which takes its time."""
        labels = vars(self)["labels"]
        return labels.ids if isinstance(labels, Enlarged) else labels

    @property
    def coarse_instance_map(self) -> npt.NDArray[np.uint16]:
        """As `coarse_labels`."""
        given = vars(self)["instance_map"]
        return given.ids if isinstance(given, Enlarged) else given

    def relabelled(self, labels: Image) -> Self:
        """The scene with other labels, of the size of `coarse_labels`."""
        given = vars(self)["labels"]
        return self.evolve(labels=given.like(labels) if isinstance(given, Enlarged) else labels)

    def only(self, instances: Sequence[Instance]) -> Self:
        """The scene with these of its instances, which may be changed, and no other one in its map."""
        gone = {one.id for one in self.instances}.difference(one.id for one in instances)
        if not gone:
            return self.evolve(instances=tuple(instances))
        numbers = np.arange(1 << 16, dtype=np.uint16)
        numbers[list(gone)] = 0
        given, ids = vars(self)["instance_map"], numbers[self.coarse_instance_map]
        instance_map = given.like(ids) if isinstance(given, Enlarged) else ids
        return self.evolve(instances=tuple(instances), instance_map=instance_map)

    def evolve(self, **changes: Any) -> Self:
        """The scene with other attributes, as `dataclasses.replace` gives it, but faster."""
        return type(self)(**(vars(self) | changes))

    def as_of(self, now_ns: int, signal: Signal = Signal.OK) -> Self:
        """The scene with the age, status and content that it has at a time: the one rule of freshness.

        | what is known then                          | status     | content        |
        |---------------------------------------------|------------|----------------|
        | the camera gives no frames any more         | no_signal  | all is unknown |
        | the frame was not perceived                 | not_ready  | all is unknown |
        | the scene is older than `max_age_ms`        | stale      | stays          |
        | something is wrong with the picture         | unreliable | stays          |
        | none of these                               | ok         | stays          |

        Args:
            now_ns: by the host's monotonic clock.
            signal: of the camera at that time, where it is known.
        """
        age_ms = (now_ns - self.host_ns) / 1e6
        if signal is Signal.NO_SIGNAL or self.status is Status.NO_SIGNAL:
            return self.unknown(Status.NO_SIGNAL).evolve(age_ms=age_ms)
        if self.status is Status.NOT_READY:
            return self.evolve(age_ms=age_ms)
        late = self.max_age_ms is not None and age_ms > self.max_age_ms
        status = Status.STALE if late else Status.UNRELIABLE if self.reasons else Status.OK
        return self.evolve(age_ms=age_ms, status=status)

    def unknown(self, status: Status) -> Self:
        """The same frame's scene with nothing in it: every label is 255, and nothing is found."""
        return self.evolve(
            labels=np.full(self.size, UNKNOWN, np.uint8),
            instance_map=np.zeros(self.size, np.uint16),
            instances=(),
            lanes=(),
            road=None,
            picture=None,
            depth=None,
            key_points=(),
            latent=None,
            logits=None,
            status=status,
        )

    @property
    def ego_lane(self) -> npt.NDArray[np.float32] | None:
        """Between the ego lane's boundaries: float32 (n, 2) corners in pixels; None without both."""
        sides = {lane.side: lane.points for lane in self.lanes}
        if "left" not in sides or "right" not in sides:
            return None
        left, right = sides["left"], sides["right"]
        # A boundary that leaves the frame at its side goes on outside it, as near as the other one comes.
        near = max(left[0, 1], right[0, 1])
        corners = np.array([[right[0, 0], near], [left[0, 0], near]], np.float32)
        return np.concatenate([left, right[::-1], corners])

    def draw(self, image: Frame | Image) -> Image:
        """The scene drawn on a copy of its frame's image, uint8 (h, w, 3) BGR; see `perception.overlay`.

        Raises:
            ConfigError: the image is of another size than the scene.
        """
        from perception.overlay import SCENE, draw  # noqa: PLC0415 - drawing stands above what is drawn

        frame = image if isinstance(image, Frame) else Frame(image, self.stamp_ns, sequence=self.sequence)
        return draw(frame, self, self.classes, SCENE)

    def mask(self, instance: Instance) -> Bools:
        """The pixels of one of the instances: bool (height, width)."""
        return np.asarray(self.instance_map == instance.id)

    def polygons(self, instance: Instance) -> list[npt.NDArray[np.int32]]:
        """The outline of each part of an instance, the largest first: (n, 2) x, y of pixels; no holes."""
        x0, y0 = (max(0, math.floor(edge)) for edge in instance.box[:2])
        x1, y1 = (max(0, math.ceil(edge)) for edge in instance.box[2:])
        mask = (self.instance_map[y0:y1, x0:x1] == instance.id).view(np.uint8)
        if not mask.size:
            return []
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x0, y0))
        outlines = [np.asarray(contour[:, 0], np.int32) for contour in contours]
        return sorted(outlines, key=cv2.contourArea, reverse=True)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The road users as a table: a row for each, of plain values. Boxes and areas are in pixels.

        Distances are None where they are not known.
        """
        areas = np.bincount(self.instance_map.ravel(), minlength=1 << 16).tolist()
        rows = []
        for one in self.instances:
            of_scene = self.camera, self.sequence, self.stamp_ns
            of_class = one.class_id, self.classes.names[one.class_id]
            place = (getattr(one, name) for name in _PLACE)
            row = (*of_scene, one.id, one.track, *of_class, one.score, *one.box, areas[one.id], *place)
            rows.append(dict(zip(COLUMNS, row, strict=True)))
        return rows

    def to_pandas(self) -> "pd.DataFrame":
        """`to_dicts` as a DataFrame; needs pandas."""
        import pandas as pd  # noqa: PLC0415 - whoever calls this has it

        kinds = {"track": "Int64", "score": "float64", **dict.fromkeys(_PLACE, "float64")}
        kinds |= dict.fromkeys(("camera", "class"), "str")
        kinds |= {name: "int64" for name in COLUMNS if name not in kinds}
        return pd.DataFrame(self.to_dicts(), columns=COLUMNS).astype(kinds)

    def to_supervision(self) -> "sv.Detections":
        """The road users as Detections; needs supervision. Where some have a track, -1 stands for none."""
        import supervision as sv  # noqa: PLC0415 - whoever calls this has it

        found, tracks = self.instances, [-1 if one.track is None else one.track for one in self.instances]
        return sv.Detections(
            xyxy=np.array([one.box for one in found], np.float32).reshape(-1, 4),
            mask=np.array([self.mask(one) for one in found], np.bool_).reshape(-1, *self.size),
            confidence=np.array([one.score for one in found], np.float32),
            class_id=np.array([one.class_id for one in found], np.intp),
            tracker_id=np.array(tracks) if max(tracks, default=-1) >= 0 else None,
            data={"class_name": np.array([self.classes.names[one.class_id] for one in found])},
        )


def unknown_scene(frame: Frame, status: Status, classes: ClassSet = DRIVE) -> Scene:
    """The scene of a frame that was not perceived: every label is 255, unknown, and nothing is found."""
    size = frame.height, frame.width
    labels, instance_map = np.full(size, UNKNOWN, np.uint8), np.zeros(size, np.uint16)
    return Scene.of(frame, labels, instance_map, status=status, classes=classes)
