"""The pinhole camera over the road, and the ground it sees.

Distances ahead are measured along the road: a bend displaces what lies ahead sideways but does not turn it, a
hill raises it. So every image row below the horizon sees the ground at one station, which makes the ground
cheap to draw and its depth exact.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.simulation.road import Road
from perception.types import Doubles

NEAREST = 0.4  # metres; what is nearer than this is moved there along its own plane
_AHEAD = np.geomspace(1.0, 900.0, 360)
_TABLE = np.arange(-60.0, 440.0, 0.5)  # bends and hills are smooth: half a metre is exact to a millimetre


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the camera is and where it looks.

    Attributes:
        station, offset: metres along the road, and to the right of its middle.
        height: metres above the road.
        pitch: radians against the road's own slope at the station, nose down positive.
        yaw: radians against the road's direction, to the right positive.
        heading: radians of the camera's plan direction, to the right positive.
        mirrored: traffic keeps to the left; offsets and bends are mirrored.
    """

    station: float
    offset: float
    height: float
    pitch: float
    yaw: float
    heading: float
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Intrinsics:
    """A pinhole with square pixels: u = cx + focal·x/z, v = cy + focal·y/z; pixel centres are integers."""

    width: int
    height: int
    focal: float
    cx: float
    cy: float


class View:
    """Projects road coordinates into the image of one frame."""

    def __init__(self, road: Road, intrinsics: Intrinsics, pose: Pose) -> None:
        self.road, self.intrinsics, self.pose = road, intrinsics, pose
        self.side = -1.0 if pose.mirrored else 1.0
        self._bend = road.bend.at(pose.station), road.bend.slope(pose.station)
        self._hill = road.hill.at(pose.station), road.hill.slope(pose.station)
        self._table = self.lean(_TABLE), self.rise(_TABLE)
        self._sin, self._cos = float(np.sin(pose.pitch)), float(np.cos(pose.pitch))
        v = self._row(_AHEAD)
        self._crest = np.minimum.accumulate(v)
        seen = v <= self._crest
        visible = np.flatnonzero(seen & (np.diff(self._crest, prepend=np.inf) < 0))
        self.horizon = min(max(0, int(np.ceil(self._crest[-1]))), intrinsics.height)
        rows = np.arange(self.horizon, intrinsics.height, dtype=np.float64)
        # On even ground the row is linear in 1/distance, so interpolating the inverse is exact there.
        self.ahead = 1 / np.interp(-rows, -v[visible], 1 / _AHEAD[visible])
        self.depth, self.shift = self._depth(self.ahead), self.lean(self.ahead)

    def lean(self, ahead: Any) -> Any:
        """Metres by which the middle of the road lies to the right of the camera's offset line."""
        bend, slope = self._bend
        return self.road.bend.at(self.pose.station + ahead) - bend - ahead * (slope + self.pose.yaw)

    def rise(self, ahead: Any) -> Any:
        """Metres by which the road lies above the tangent plane under the camera."""
        hill, slope = self._hill
        return self.road.hill.at(self.pose.station + ahead) - hill - ahead * slope

    def _depth(self, ahead: Doubles) -> Doubles:
        return np.asarray(ahead * self._cos - (self.rise(ahead) - self.pose.height) * self._sin)

    def _row(self, ahead: Doubles) -> Doubles:
        down = (self.pose.height - self.rise(ahead)) * self._cos - ahead * self._sin
        return np.asarray(self.intrinsics.cy + self.intrinsics.focal * down / self._depth(ahead))

    def hidden(self, ahead: Doubles) -> npt.NDArray[np.bool_]:
        """Whether the ground at these distances lies behind a crest."""
        index = np.clip(np.searchsorted(_AHEAD, ahead) - 1, 0, len(_AHEAD) - 1)
        return np.asarray(self._row(np.maximum(ahead, _AHEAD[0])) > self._crest[index] + 1.0)

    def clips(self, ahead: Doubles) -> npt.NDArray[np.int64]:
        """For things standing at these distances, the first image row in which nearer ground hides them."""
        index = np.clip(np.searchsorted(_AHEAD, ahead) - 1, 0, len(_AHEAD) - 1)
        height = self.intrinsics.height
        crest = np.clip(np.ceil(self._crest[index]), 0, height).astype(np.int64)
        return np.where(self.hidden(ahead), crest, height)

    def project(self, s: Any, d: Any, h: Any) -> npt.NDArray[np.float64]:
        """(n, 3) of u, v and depth in metres for n points in road coordinates."""
        ahead = np.asarray(s, np.float64) - self.pose.station
        lean, rise = (np.interp(ahead, _TABLE, values) for values in self._table)
        right = self.side * (np.asarray(d, np.float64) - self.pose.offset + lean)
        up = rise + np.asarray(h, np.float64) - self.pose.height
        depth = np.maximum(ahead * self._cos - up * self._sin, NEAREST)
        down = -up * self._cos - ahead * self._sin
        k = self.intrinsics
        u, v = k.cx + k.focal * right / depth, k.cy + k.focal * down / depth
        return np.stack(np.broadcast_arrays(u, v, depth), -1)
