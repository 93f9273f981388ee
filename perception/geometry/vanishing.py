"""Where the lane boundaries of one frame meet: the direction of the road, as the camera sees it.

On a flat road, under a camera that is not rolled, a boundary of curvature κ is seen in the picture plane
(x right, y down, in focal lengths, distortion undone) at

    x = u + a (y − v) + b / (y − v),   b = −κ · height / 2,

where u, v is the point in which all boundaries meet, and b is the same for all of them; only a is each one's
own. The point gives pitch and yaw: Barnard, "Interpreting perspective images", 1983.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from perception.geometry.lens import Lens
from perception.scene_items import Lane
from perception.types import Doubles, Ints

FARTHEST = 15.0  # camera heights ahead: what lies farther hangs on hills, and on how the bend changes
LEAST_SPAN = 1.5  # ratio of the distances of a boundary's far end and its near one
MOST_LINES, POINTS = 10, 24  # of a frame, and of each boundary: they bound the time
WIDEST = math.cos(math.radians(80))  # from the optical axis: the picture plane has an end
NOISE = 0.8  # px of 1280: deviation of a boundary
INDEPENDENT = 4.0  # points of a boundary: it is smooth, so that all others follow from so many
BEND_SD = 0.003  # of curvature × height: a bend of 450 m under a camera at 1.35 m
STRAY = 2.0  # deviations from which on a boundary counts for less (Cauchy)
ROUNDS, STEPS = 2, 2  # of choosing the near parts, and of Newton in each
MOST_SD = math.radians(1.5)  # of an angle: from there on it is not known
# Of pitch and yaw: what the road itself adds, as found on simulated drives: its slope changes, and its bend.
ROAD_SD = math.radians(0.2), math.radians(0.35)


@dataclass(frozen=True, slots=True)
class Vanishing:
    """The camera against the road in one frame; angles are in radians, as a `Mount` counts them.

    Attributes:
        pitch: by which the camera looks down against the road.
        yaw: by which it looks to the left of where the lane leads here.
        bend: curvature × the camera's height; positive: the road bends to the left.
        pitch_sd, yaw_sd, bend_sd: their standard deviations.
        places: of the boundaries that meet there, in camera heights to the left of the camera.
        ego: the same of the ego lane's left and right one; None where they are not both seen.
    """

    pitch: float
    yaw: float
    bend: float
    pitch_sd: float
    yaw_sd: float
    bend_sd: float
    places: tuple[float, ...]
    ego: tuple[float, float] | None = None


def find_vanishing(lanes: Sequence[Lane], lens: Lens) -> Vanishing | None:
    """The common vanishing point of the near parts of lane boundaries; roll is taken as 0.

    Returns:
        None where fewer than two boundaries are seen near and long enough, or where they meet is not known.
    """
    surest = sorted(lanes, key=lambda lane: -lane.confidence)[:MOST_LINES]
    points, line = _on_plane(surest, lens)
    place = _meeting(points, line)
    if place is None:
        return None
    noise = NOISE * lens.info.width / 1280 / lens.focal
    solution = np.array([*place, 0.0])
    for _ in range(ROUNDS):
        near = _near(points[:, 1] - solution[1], line)
        lines = np.unique(line[near])
        if len(lines) < 2:
            return None
        for _ in range(STEPS):
            solution, slopes, covariance = _step(
                points[near], np.searchsorted(lines, line[near]), solution, noise
            )
    u, v, b = solution.tolist()
    pitch_sd, yaw_sd, bend_sd = np.sqrt(np.diag(covariance)).tolist()
    if not max(pitch_sd, yaw_sd) < MOST_SD:
        return None
    pitch = math.atan(-v)
    places = (-slopes / math.cos(pitch)).tolist()
    sides = {surest[which].side: place for which, place in zip(lines, places, strict=True)}
    return Vanishing(
        pitch,
        math.atan(u * math.cos(pitch)),
        -2 * b,
        math.hypot(pitch_sd, ROAD_SD[0]),
        math.hypot(yaw_sd, ROAD_SD[1]),
        2 * bend_sd,
        tuple(places),
        (sides["left"], sides["right"]) if {"left", "right"} <= sides.keys() else None,
    )


def direction(pitch: float, yaw: float) -> Doubles:
    """Where a straight road vanishes for a camera mounted so: a ray (3,), see `Lens`."""
    return np.array([math.sin(yaw), -math.sin(pitch) * math.cos(yaw), math.cos(pitch) * math.cos(yaw)])


def _on_plane(lanes: Sequence[Lane], lens: Lens) -> tuple[Doubles, Ints]:
    """Points of boundaries in the picture plane, (n, 2), each one's from near to far, and whose they are."""
    chosen = [lane.points[np.arange(POINTS) * (len(lane.points) - 1) // (POINTS - 1)] for lane in lanes]
    rays = lens.to_rays(np.concatenate(chosen) if chosen else np.empty((0, 2)))
    seen = rays[:, 2] > WIDEST  # NaN is not
    return rays[seen, :2] / rays[seen, 2:], np.repeat(np.arange(len(lanes)), POINTS)[seen]


def _meeting(points: Doubles, line: Ints) -> Doubles | None:
    """Where straight lines through boundaries meet: of each pair's point that with the least median distance.

    Rousseeuw, "Least median of squares regression", 1984.
    """
    fits = []
    for which in np.flatnonzero(np.bincount(line) > 2):
        own = points[line == which]
        centre = own.mean(0)
        x, y = (own - centre).T
        angle = math.atan2(2 * x @ y, x @ x - y @ y) / 2
        across = -math.sin(angle), math.cos(angle)
        fits.append((*across, -float(np.dot(across, centre))))
    count = len(fits)
    normals = np.array(fits).reshape(-1, 3)
    one, other = np.triu_indices(count, 1)
    crossings = np.cross(normals[one], normals[other])
    with np.errstate(divide="ignore", invalid="ignore"):
        meetings = crossings[:, :2] / crossings[:, 2:]
    meetings = meetings[np.abs(meetings).max(1, initial=0) < 1]  # up to 45° from the axis
    if not len(meetings):
        return None
    off = np.sort(np.abs(meetings @ normals[:, :2].T + normals[:, 2]), 1)
    # Each lies on two lines by its making: the median is that of the others.
    return np.asarray(meetings[off[:, min(2 + (count - 3) // 2, count - 1)].argmin()])


def _near(below: Doubles, line: Ints) -> Ints:
    """Which points are near enough, on lines that are seen far enough there."""
    near = np.flatnonzero(below > 1 / FARTHEST)
    if not len(near):
        return near
    starts = np.flatnonzero(np.diff(line[near], prepend=-1))
    span = np.maximum.reduceat(below[near], starts) / np.minimum.reduceat(below[near], starts)
    counts = np.diff(np.append(starts, len(near)))
    return np.asarray(near[np.repeat((span > LEAST_SPAN) & (counts > 2), counts)])


def _step(points: Doubles, line: Ints, solution: Doubles, noise: float) -> tuple[Doubles, Doubles, Doubles]:
    """The next u, v, b after Gauss and Newton, strays weighed down; each a; their (3, 3) covariance."""
    u, v, b = solution
    below = points[:, 1] - v
    own = points[:, 0] - u - b / below
    a = np.bincount(line, own * below) / np.bincount(line, below * below)
    missed_by = own - a[line] * below
    counts = np.bincount(line)
    variance = noise**2 * (1 + a * a)  # across the line
    stray = np.bincount(line, missed_by**2) / counts / variance
    weight = (INDEPENDENT / counts / variance / (1 + stray / STRAY**2))[line]
    terms = np.zeros((len(points), 3 + len(a)))
    terms[:, 0], terms[:, 1], terms[:, 2] = 1.0, b / below**2 - a[line], 1 / below
    terms[np.arange(len(points)), 3 + line] = below
    weighted = weight[:, None] * terms
    normal, side = weighted.T @ terms, missed_by @ weighted
    normal[2, 2] += (2 / BEND_SD) ** 2
    side[2] -= b * (2 / BEND_SD) ** 2
    normal[:2, :2] += np.eye(2)  # where lines do not meet, u and v are known to a radian
    inverse = np.linalg.inv(normal)
    step = np.asarray(inverse @ side)
    return solution + step[:3], a + step[3:], np.asarray(inverse[:3, :3])
