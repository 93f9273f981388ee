"""A camera's parameters from corners of a board: the least squares of their distances in the picture.

Zhang, "A flexible new technique for camera calibration", 2000, solved by Levenberg and Marquardt with the
poses eliminated (Schur complement, as in Triggs et al., "Bundle adjustment: a modern synthesis", 2000, 6),
which gives the covariance of the parameters too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from calibration.boards import Corners
from perception.types import Doubles

STEPS = 200
# What keeps coefficients that the corners do not determine near 0, where they would cancel each other and
# bend the picture where no corner was: a coefficient of 1 counts as much as a corner 0.3 pixels off.
PRIOR = 0.1
CONVERGED = 1e-7  # of the sum of squares, in one step
ANGLES = np.radians(
    [25, 40, 55, 70, 85, 100, 115, 130, 150, 170]
)  # to start from; a fisheye from 1.4 times them


@dataclass(frozen=True, slots=True)
class Model:
    """A lens's model.

    Attributes:
        name: as sensor_msgs/CameraInfo has it.
        coefficients: names of those of its distortion.
    """

    name: str
    coefficients: tuple[str, ...]

    @property
    def parameters(self) -> tuple[str, ...]:
        return ("fx", "fy", "cx", "cy", *self.coefficients)

    @property
    def fisheye(self) -> bool:
        return self.name == "equidistant"


PLUMB_BOB = Model("plumb_bob", ("k1", "k2", "p1", "p2", "k3"))
RATIONAL = Model("rational_polynomial", ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6"))
FISHEYE = Model("equidistant", ("k1", "k2", "k3", "k4"))


@dataclass(frozen=True, slots=True)
class Fit:
    """Attributes:
    parameters: (q,) fx, fy, cx, cy and coefficients.
    poses: (views, 6) rotation vector and translation of the board, in metres.
    residuals: of each view, (n, 2), in pixels: found minus projected.
    covariance: (q, q) of the parameters, if the residuals are independent.
    """

    model: Model
    parameters: Doubles
    poses: Doubles
    residuals: tuple[Doubles, ...]
    covariance: Doubles

    @property
    def errors(self) -> Doubles:
        """Of each view, RMS distance in pixels."""
        return np.array([rms(one) for one in self.residuals])


def rms(residuals: Doubles) -> float:
    """Of distances, (n, 2)."""
    return float(np.sqrt((residuals**2).sum(1).mean()))


def project(
    model: Model, parameters: Doubles, pose: Doubles, points: Doubles
) -> tuple[Doubles, Doubles, Doubles]:
    """Points of a board, (n, 3) in metres, in the picture.

    Returns:
        Pixels, (n, 2), NaN where a pinhole's board lies behind the camera; their derivatives by the
        parameters, (2n, q), and by the pose, (2n, 6).
    """
    turn, shift = pose[:3], pose[3:]
    rotation, by_turn = cv2.Rodrigues(turn)
    seen = points @ rotation.T + shift
    if model.fisheye:
        pixels, by_parameters, by_seen = _fisheye(parameters, seen)
        moved = np.einsum("rij,nj->nir", by_turn.reshape(3, 3, 3), points)
        by_pose = np.concatenate([by_seen @ moved, by_seen], axis=2)
        return pixels, by_parameters.reshape(-1, len(parameters)), by_pose.reshape(-1, 6)
    fx, fy, cx, cy, *d = parameters
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    flat, jacobian = cv2.projectPoints(points, turn, shift, matrix, np.array(d))
    slopes = np.asarray(jacobian, np.float64)
    pixels = np.where(seen[:, 2].min() <= 0, np.nan, flat.reshape(-1, 2))
    return pixels, slopes[:, 6 : 10 + len(d)], slopes[:, :6]


def _fisheye(parameters: Doubles, points: Doubles) -> tuple[Doubles, Doubles, Doubles]:
    """Pixels (n, 2) of points before and behind the camera.

    With derivatives by the parameters, (n, 2, 8), and by the points, (n, 2, 3). OpenCV's own function mirrors
    what is more than 90° off the axis into the picture.
    """
    focal, centre, k = parameters[:2], parameters[2:4], parameters[4:]
    sideways = np.maximum(np.hypot(points[:, 0], points[:, 1]), 1e-12)
    angle = np.arctan2(sideways, points[:, 2])
    powers = angle[:, None] ** np.array([3, 5, 7, 9])
    radius = angle + powers @ k
    rising = 1 + (powers / angle[:, None] * [3, 5, 7, 9]) @ k
    unit = points[:, :2] / sideways[:, None]
    flat = unit * radius[:, None]
    by_parameters = np.zeros((len(points), 2, 8))
    by_parameters[:, [0, 1], [0, 1]] = flat
    by_parameters[:, [0, 1], [2, 3]] = 1
    by_parameters[:, :, 4:] = (focal * unit)[..., None] * powers[:, None]
    far = sideways**2 + points[:, 2] ** 2
    along = np.column_stack(
        [unit * (points[:, 2] / far)[:, None], -sideways / far]
    )  # of the angle, by the point
    across = np.eye(2) - unit[..., None] * unit[:, None]
    by_points = rising[:, None, None] * unit[..., None] * along[:, None]
    by_points[:, :, :2] += across * (radius / sideways)[:, None, None]
    return flat * focal + centre, by_parameters, by_points * focal[:, None]


def start(model: Model, views: Sequence[Corners], size: tuple[int, int]) -> tuple[Doubles, Doubles]:
    """Parameters without distortion and poses to begin with: those of the angle of view that fits best."""
    best = None
    for angle in ANGLES:
        focal = size[0] / 1.4 / angle if model.fisheye else size[0] / 2 / np.tan(angle / 2)
        centre = [(size[0] - 1) / 2, (size[1] - 1) / 2]
        parameters = np.array([focal, focal, *centre, *(0.0 for _ in model.coefficients)])
        poses = np.array([_pose(model, parameters, one) for one in views])
        off = [
            one.pixels - project(model, parameters, pose, one.points)[0]
            for one, pose in zip(views, poses, strict=True)
        ]
        # The median: a few boards that are mistaken count for nothing.
        error = float(np.median([np.inf if np.isnan(one).any() else rms(one) for one in off]))
        if best is None or error < best[0]:
            best = error, parameters, poses
    assert best is not None
    return best[1], best[2]


def _pose(model: Model, parameters: Doubles, seen: Corners) -> Doubles:
    """Of a board, by a linear solution of ray × (H · place) = 0, for a lens without distortion."""
    fx, fy, cx, cy = parameters[:4]
    flat = (seen.pixels - [cx, cy]) / [fx, fy]
    rays = np.column_stack([flat, np.ones(len(flat))])
    if model.fisheye:
        angle = np.linalg.norm(flat, axis=1)
        rays = np.column_stack([flat * np.sinc(angle / np.pi)[:, None], np.cos(angle)])
    middle, spread = seen.board.mean(0), seen.board.std()
    places = np.column_stack([(seen.board - middle) / spread, np.ones(len(seen.board))])
    crossed = np.cross(np.eye(3)[None], rays[:, None])  # (n, 3, 3): [axis] × ray
    rows = np.einsum("nij,nk->njik", crossed, places).reshape(-1, 9)
    matrix = np.linalg.svd(rows, full_matrices=False)[2][-1].reshape(3, 3)
    matrix *= np.sign((rays * (places @ matrix.T)).sum())
    length = np.sqrt(np.linalg.norm(matrix[:, 0]) * np.linalg.norm(matrix[:, 1]))
    first, second, shift = (matrix / length).T
    left, _, right = np.linalg.svd(np.column_stack([first, second, np.cross(first, second)]))
    rotation = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    shift = shift * spread - rotation[:, :2] @ middle
    return np.concatenate([cv2.Rodrigues(rotation)[0].ravel(), shift])


@dataclass(slots=True)
class _Equations:
    """The normal equations at one place: blocks by parameters, by poses, and between them."""

    cost: float
    residuals: tuple[Doubles, ...]
    u: Doubles
    v: Doubles
    w: Doubles
    g: Doubles
    h: Doubles

    def step(self, damping: float) -> tuple[Doubles, Doubles]:
        """Of the parameters, and of the poses."""
        v = self.v * (1 + damping * np.eye(6))
        reduced = self.w @ np.linalg.inv(v)
        u = self.u * (1 + damping * np.eye(len(self.u)))
        left = u - np.einsum("vik,vjk->ij", reduced, self.w)
        right = self.g - np.einsum("vik,vk->i", reduced, self.h)
        scale = 1 / np.sqrt(np.diag(u))
        first = scale * np.linalg.lstsq(left * scale * scale[:, None], right * scale, rcond=None)[0]
        rest = np.linalg.solve(v, (self.h - np.einsum("vik,i->vk", self.w, first))[..., None])[..., 0]
        return first, rest


def _equations(model: Model, parameters: Doubles, poses: Doubles, views: Sequence[Corners]) -> _Equations:
    residuals, blocks = [], []
    for seen, pose in zip(views, poses, strict=True):
        pixels, a, b = project(model, parameters, pose, seen.points)
        off = seen.pixels - pixels
        residuals.append(off)
        blocks.append((a.T @ a, b.T @ b, a.T @ b, a.T @ off.ravel(), b.T @ off.ravel()))
    u, v, w, g, h = (np.array(one) for one in zip(*blocks, strict=True))
    prior = _prior(model)
    cost = float(sum((one**2).sum() for one in residuals) + prior @ parameters**2)
    u, g = u.sum(0) + np.diag(prior), g.sum(0) - prior * parameters
    return _Equations(cost if np.isfinite(cost) else np.inf, tuple(residuals), u, v, w, g, h)


def fit(
    model: Model, views: Sequence[Corners], parameters: Doubles, poses: Doubles, *, lens: bool = True
) -> Fit:
    """The parameters and poses that project the corners nearest to where they were found.

    Args:
        parameters, poses: to begin with.
        lens: the parameters are looked for; else only the poses.
    """
    now, damping = _equations(model, parameters, poses, views), 1e-3
    for _ in range(STEPS):
        if not lens:
            now.w[:], now.g[:] = 0, 0
        first, rest = now.step(damping)
        moved = parameters + first, poses + rest
        then = _equations(model, *moved, views)
        if then.cost < now.cost:
            done = now.cost - then.cost < CONVERGED * now.cost
            (parameters, poses), now, damping = moved, then, max(damping / 10, 1e-12)
            if done:
                break
        elif damping > 1e8:
            break
        else:
            damping *= 10
    return Fit(model, parameters, poses, now.residuals, _covariance(model, now))


def _covariance(model: Model, at: _Equations) -> Doubles:
    """Of the parameters, poses being free: by the corners, and by coefficients being 0 ± 1."""
    left = at.u - np.diag(_prior(model)) - np.einsum("vik,vkl,vjl->ij", at.w, np.linalg.inv(at.v), at.w)
    free = 2 * sum(map(len, at.residuals)) - len(left) - 6 * len(at.v)
    variance = sum(float((one**2).sum()) for one in at.residuals) / max(free, 1)
    known = left / max(variance, 1e-12) + np.diag(_prior(model) > 0)
    scale = 1 / np.sqrt(np.diag(known))
    return np.asarray(np.linalg.inv(known * scale * scale[:, None]) * scale * scale[:, None])


def _prior(model: Model) -> Doubles:
    return np.array([0.0] * 4 + [PRIOR] * len(model.coefficients))
