"""Lanes of a flat road as a calibrated camera sees them, and drives of them, from truth alone."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from perception.camera_info import CameraInfo, Mount
from perception.geometry.ground import Ground
from perception.scene import Lane, Side

Doubles = npt.NDArray[np.float64]
AHEAD = np.geomspace(2.0, 60.0, 80)
SIDES: tuple[Side | None, ...] = ("left", "right")


def lanes(
    info: CameraInfo,
    mount: Mount,
    places: Sequence[float] = (1.8, -1.7),
    curvature: float = 0.0,
    heading: float = 0.0,
    noise: Doubles | float = 0.0,
) -> tuple[Lane, ...]:
    """Boundaries `places` metres to the left, of a road that bends to the left; its first two are the lane's.

    Args:
        heading: radians by which the car looks to the left of the road.
        noise: pixels that are added: (n, 2), or one for each boundary.
    """
    ground = Ground(info, mount)
    found = []
    for k, place in enumerate(places):
        y = place + curvature * AHEAD**2 / 2
        c, s = np.cos(heading), np.sin(heading)
        road = np.column_stack([AHEAD * c + y * s, y * c - AHEAD * s])
        points = ground.to_pixels(road)
        x, row = points.T
        inside = (x >= 0) & (x < info.width) & (row >= 0) & (row < info.height)
        shift = np.broadcast_to(noise, (len(places), 2))[k]
        if inside.sum() > 2:
            side = SIDES[k] if k < 2 else None
            found.append(Lane((points[inside] + shift).astype(np.float32), "solid", 0.9, side))
    return tuple(found)
