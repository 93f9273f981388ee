"""Where the lane boundaries of one frame meet: the direction of the road, as the camera sees it.

On a flat road, under a camera that is not rolled, a boundary that bends with curvature κ is seen in the picture
plane (x right, y down, in focal lengths, without distortion) at

    x = u + a (y − v) + b / (y − v),   b = −κ · height / 2,

where u, v is the point in which all boundaries meet, and b is the same for all of them; only a is each one's
own. The point gives pitch and yaw: Barnard, "Interpreting perspective images", 1983.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception.geometry.lens import Lens
from perception.scene_items import Lane
from perception.types import Doubles

FARTHEST = 15.0  # camera heights ahead: what lies farther hangs on hills and on the bend's own change
LEAST_SPAN = 1.5  # ratio of the distances of a boundary's near end and its far one
MOST_LINES, POINTS = 10, 16  # of a frame, and of each boundary: a millisecond has to be enough
NOISE = 2.0  # px of 1280: deviation of a boundary
INDEPENDENT = 4.0  # points of a boundary: it is smooth, so that all others follow from so many
BEND_SD = 0.003  # of curvature × height: a bend of 450 m under a camera at 1.35 m
STRAY = 2.0  # deviations from which on a boundary counts for less (Cauchy)
STEPS = 6
MOST_SD = math.radians(1.5)  # of an angle: from there on it is not known


@dataclass(frozen=True, slots=True)
class Vanishing:
    """The camera against the road of one frame; angles are in radians, as a `Mount` counts them.

    Attributes:
        pitch: by which the camera looks down against the road.
        yaw: by which it looks to the left of the direction in which the lane runs here.
        bend: curvature × the camera's height; positive: the road bends to the left.
        pitch_sd, yaw_sd, bend_sd: their standard deviations, of this frame's measurement alone.
        lines: boundaries that meet there.
    """

    pitch: float
    yaw: float
    bend: float
    pitch_sd: float
    yaw_sd: float
    bend_sd: float
    lines: int


def find_vanishing(lanes: Sequence[Lane], lens: Lens) -> Vanishing | None:
    """The common vanishing point of the near parts of lane boundaries; roll is taken as 0.

    Returns:
        None where fewer than two boundaries are seen near and long enough, or they meet nowhere.
    """
    surest = sorted(lanes, key=lambda lane: -lane.confidence)[:MOST_LINES]
    lines = [line for lane in surest if len(line := _on_plane(lane, lens)) > 2]
    place = _meeting(lines)
    if place is None:
        return None
    noise = NOISE / 1280 * lens.info.width / lens.focal
    return _fit(lines, place, noise)


def direction(pitch: float, yaw: float) -> Doubles:
    """Where a road that runs ahead vanishes, for a camera mounted so: a ray (3,), see `Lens`."""
    (cp, cy), (sp, sy) = ((f(pitch), f(yaw)) for f in (math.cos, math.sin))
    return np.array([sy, -sp * cy, cp * cy])


def _on_plane(lane: Lane, lens: Lens) -> Doubles:
    """A boundary's points in the picture plane, from near to far: (n, 2); NaN and what is beyond 80° left out."""
    rays = lens.to_rays(lane.points[np.linspace(0, len(lane.points) - 1, 4 * POINTS).astype(np.intp)])
    rays = rays[np.isfinite(rays[:, 2]) & (rays[:, 2] > math.cos(math.radians(80)))]
    return np.asarray(rays[:, :2] / rays[:, 2:])


def _meeting(lines: Sequence[Doubles]) -> Doubles | None:
    """Where straight lines through boundaries meet: of each pair's point that with the least median distance.

    Rousseeuw, "Least median of squares regression", 1984.
    """
    if len(lines) < 2:
        return None
    fits = []
    for line in lines:
        centre = line.mean(0)
        across = np.linalg.svd(line - centre, full_matrices=False)[2][1]
        fits.append((*across, -across @ centre))
    normals = np.array(fits)
    pairs = np.array(list(itertools.combinations(range(len(lines)), 2)))
    crossings = np.cross(normals[pairs[:, 0]], normals[pairs[:, 1]])
    with np.errstate(divide="ignore", invalid="ignore"):
        points = crossings[:, :2] / crossings[:, 2:]
    ahead = np.abs(points).max(1) < 1
    if not ahead.any():
        return None
    points = points[ahead]
    off = np.sort(np.abs(points @ normals[:, :2].T + normals[:, 2]), 1)
    # Each point lies on two lines by its making: the median is of the others.
    middle = min(2 + (len(lines) - 3) // 2, len(lines) - 1)
    return np.asarray(points[off[:, middle].argmin()])


def _fit(lines: Sequence[Doubles], place: Doubles, noise: float) -> Vanishing | None:
    """All boundaries' near parts through one point, by Gauss and Newton, outliers weighed down.

    Unknown are u, v, b, and each line's a.
    """
    solution = np.array([*place, 0.0])
    for _ in range(STEPS):
        near = [part for line in lines if len(part := _near(line, solution[1])) > 2]
        if len(near) < 2:
            return None
        solution, covariance = _step(near, solution, noise)
    u, v, b = solution.tolist()
    pitch = math.atan(-v)
    # Of v and u in angles; b is half of the bend.
    pitch_sd, yaw_sd, bend_sd = (np.sqrt(np.diag(covariance)) * (1 / (1 + v * v), 1.0, 2.0)).tolist()
    if not (pitch_sd < MOST_SD and yaw_sd < MOST_SD):
        return None
    yaw = math.atan(u * math.cos(pitch))
    return Vanishing(pitch, yaw, -2 * b, pitch_sd, yaw_sd, bend_sd, len(near))


def _near(line: Doubles, v: float) -> Doubles:
    """The part of a line up to `FARTHEST`, of `POINTS` points; empty where it is too short."""
    below = line[:, 1] - v
    part = line[below > 1 / FARTHEST]
    if len(part) < 3 or part[:, 1].max() - v < LEAST_SPAN * (part[:, 1].min() - v):
        return part[:0]
    return np.asarray(part[np.linspace(0, len(part) - 1, min(POINTS, len(part))).astype(np.intp)])


def _step(near: Sequence[Doubles], solution: Doubles, noise: float) -> tuple[Doubles, Doubles]:
    """The next solution u, v, b, and its covariance (3, 3)."""
    u, v, b = solution
    count = len(near)
    normal, side = np.zeros((3 + count, 3 + count)), np.zeros(3 + count)
    normal[2, 2], side[2] = (2 / BEND_SD) ** 2, -b * (2 / BEND_SD) ** 2
    for k, line in enumerate(near):
        below = line[:, 1] - v
        own = line[:, 0] - u - b / below
        a = float(own @ below / (below @ below))
        missed_by = own - a * below
        # Across the line; all of its points together count as those that are independent.
        variance = noise**2 * (1 + a * a) * len(line) / INDEPENDENT
        stray = float((missed_by**2).mean()) / (noise**2 * (1 + a * a))
        weight = 1 / (variance * (1 + stray / STRAY**2))
        terms = np.zeros((len(line), 3 + count))
        terms[:, 0], terms[:, 1], terms[:, 2], terms[:, 3 + k] = 1.0, b / below**2 - a, 1 / below, below
        normal += weight * terms.T @ terms
        side += weight * missed_by @ terms
    inverse = np.linalg.pinv(normal, hermitian=True)
    return solution + (inverse @ side)[:3], inverse[:3, :3]
