"""What a scene holds: road users, joints, lane boundaries, and the road in metres."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, repr=False)
class Instance:
    """One road user.

    Attributes:
        id: value of its pixels in `Scene.instance_map`: class id × 1000 + k, k from 1.
        class_id: id in the class set.
        score: 0..1; the more, the surer. For instances that are found by connected components it grows
            with their size alone.
        box: x0, y0, x1, y1 in pixels of the frame; x1 and y1 are exclusive.
        track: id that stays with the road user from frame to frame; None without tracking.
        distance_m, lateral_m: where it stands on the road: metres ahead of the camera, and to the left, with
            their standard deviations; None without a calibration, and where its foot is not seen.
        ttc_s: seconds until it is level with the camera, as its size grows, also where it passes by; None
            where it does not come nearer, and where that cannot be known. It needs no calibration.
    """

    id: int
    class_id: int
    score: float
    box: tuple[float, float, float, float]
    track: int | None = None
    distance_m: float | None = None
    distance_sd_m: float | None = None
    lateral_m: float | None = None
    lateral_sd_m: float | None = None
    ttc_s: float | None = None
    ttc_sd_s: float | None = None

    def __repr__(self) -> str:
        x0, y0, x1, y1 = (round(side) for side in self.box)
        track = "" if self.track is None else f", track {self.track}"
        return (
            f"<Instance {self.id} of class {self.class_id}{track}, {self.score:.0%}, {x0},{y0} to {x1},{y1}>"
        )


@dataclass(frozen=True, slots=True)
class KeyPoint:
    """One joint of somebody, such as a left hand.

    x, y are in pixels of the frame, the centre of its first one at 0, 0; `score` is 0..1.
    """

    name: str
    x: float
    y: float
    score: float


Side = Literal["left", "right"]
BORDER_PX = 2.0  # from the frame's border, in which a road user's outline is cut
MOST_SD = 1.0  # metres to the side: where a boundary is less sure it is not drawn
EGO_WIDTHS = 1.1, 4.5  # camera heights: how wide the ego lane may be
MOST_BEND_SD = (
    8e-4  # in 1/m: a curvature that is less sure does not tell a straight road from a bend of 600 m
)


@dataclass(frozen=True, slots=True, repr=False)
class Lane:
    """One lane boundary: float32 (n, 2) x, y in pixels of the frame, ordered from near to far.

    `kind` is solid, dashed or unknown; `confidence` is 0..1; `side` is set on the ego lane's boundaries.

    `metres` is float32 (n, 2), of each point x ahead of the camera's place on the road and y to the left, and
    `metres_sd` its standard deviations; NaN where the road cannot be met. Both are None without calibration.
    """

    points: npt.NDArray[np.float32]
    kind: str
    confidence: float
    side: Side | None = None
    metres: npt.NDArray[np.float32] | None = None
    metres_sd: npt.NDArray[np.float32] | None = None

    @property
    def stretches(self) -> list[npt.NDArray[np.float64]]:
        """Its parts that are known to a metre to the side, without a break: (n, 2) metres each, n from 2."""
        if self.metres is None or self.metres_sd is None:
            return []
        good = np.isfinite(self.metres).all(1) & (self.metres_sd[:, 1] < MOST_SD)  # NaN is not
        ends = np.flatnonzero(np.diff(good, prepend=False, append=False)).reshape(-1, 2)
        return [self.metres[first:last].astype(np.float64) for first, last in ends if last - first > 1]

    def __repr__(self) -> str:
        side = f", {self.side} of the ego lane" if self.side else ""
        return f"<Lane {self.kind}{side}, {self.confidence:.0%}, {len(self.points)} points>"


@dataclass(frozen=True, slots=True)
class Road:
    """The ego lane in metres, under a calibrated camera. What cannot be known is None, with its deviation.

    Attributes:
        offset_m: of the camera from the lane's middle, to the left.
        width_m: of the lane.
        heading_rad: of the car against the lane, to the left.
        curvature_per_m: of the lane; positive: it bends to the left. None also where it is less sure than
            `MOST_BEND_SD`.
        pitch_rad: by which the camera looks down against the road now, with the mount's.
    """

    offset_m: float | None = None
    offset_sd_m: float | None = None
    width_m: float | None = None
    width_sd_m: float | None = None
    heading_rad: float | None = None
    heading_sd_rad: float | None = None
    curvature_per_m: float | None = None
    curvature_sd_per_m: float | None = None
    pitch_rad: float | None = None
    pitch_sd_rad: float | None = None
