"""What the node publishes: for one frame, what every pixel is and who is on the road."""

from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
import numpy.typing as npt


class Status(StrEnum):
    """Whether a scene may be trusted."""

    OK = "ok"
    STALE = "stale"  # older than max_age when it was published


@dataclass(frozen=True, slots=True)
class Instance:
    """One road user.

    Attributes:
        id: value of its pixels in `Scene.instance_map`: class id × 1000 + k, k from 1.
        class_id: id in the class set.
        score: 0..1; the more, the surer. For instances that are found by connected components it grows
            with their size alone.
        box: x0, y0, x1, y1 in pixels of the frame; x1 and y1 are exclusive.
        track: id that stays with the road user from frame to frame; None without tracking.
    """

    id: int
    class_id: int
    score: float
    box: tuple[float, float, float, float]
    track: int | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane boundary: float32 (n, 2) x, y in pixels of the frame, ordered from near to far.

    `kind` is solid, dashed or unknown; `confidence` is 0..1.
    """

    points: npt.NDArray[np.float32]
    kind: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything known of one frame, under that frame's own stamp.

    Attributes:
        sequence, stamp_ns, wall_ns, stem, camera: those of the frame.
        labels: uint8 (height, width) class ids at the frame's resolution; 255 is unknown.
        instance_map: uint16 (height, width); 0 none, else `Instance.id`.
        instances: the road users, in the order of their ids.
        lanes: the lane boundaries.
        status: whether the scene may be trusted.
        age_ms: time from capture (for a recording: from reading) to publication.
        timings_ms: how long each stage took.
    """

    sequence: int
    stamp_ns: int
    wall_ns: int
    stem: str
    camera: str
    labels: npt.NDArray[np.uint8]
    instance_map: npt.NDArray[np.uint16]
    instances: tuple[Instance, ...] = ()
    lanes: tuple[Lane, ...] = ()
    status: Status = Status.OK
    age_ms: float = 0.0
    timings_ms: dict[str, float] = field(default_factory=dict)
