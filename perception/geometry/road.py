"""The road in metres from the lane boundaries of one camera's scenes, or the road's own ends, over time.

In the vehicle's axes boundaries run alongside each other: y = c + θ x + κ x²/2, each with its own c.
Their road climbs by k x²/2, and the car nods by δ against the mount. That boundaries keep their distance
shows δ and k, as it shows a vanishing point. All of it is one extended Kalman filter (as in Dickmanns and
Mysliwetz, Recursive 3-D road and relative ego-state recognition, 1992), but for c, which has no memory:
so nothing lags when the car changes lanes. As a clothoid, with κ + κ' x, κ was three times less exact:
off by 0.00034 / m in the median, not by 0.00010.
"""

from dataclasses import dataclass

import numpy as np

from perception.camera_info import Mount
from perception.scene import Road
from perception.scene_items import MOST_BEND_SD
from perception.types import Doubles, Ints

HEADING, CURVE, NOD, CLIMB = range(4)  # θ in rad, κ in 1/m, δ in rad, k in 1/m

# Of each: deviation where nothing was seen yet; in how many seconds it is forgotten.
SPREAD = np.array([0.03, 4e-3, 6e-3, 5e-4])
MEMORY_S = np.array([1.5, 1.5, 0.25, 1.5])
ASIDE = 20.0  # deviation of a boundary's c, in metres: none is known before

FARTHEST = 50.0  # metres: what is seen there takes up bends and hills of higher order
ALIKE = 20.0  # points of a boundary that err alike, of one each 6 rows
BEYOND = 2e-5  # deviation of a boundary's course from the model, in radians, a metre
ROUNDS = 3  # of the fit: after two, a nod of half a degree was still not found
ROUGH = 2e-5  # deviation by which k changes, in 1/m, a metre: hills of 300 m with slopes of 5 %
ASTRAY = 1.5  # deviations from which on a point's weight falls (Cauchy)


@dataclass(frozen=True, slots=True)
class Seen:
    """Points of lane boundaries, and of the road's ends.

    Attributes:
        aside, down: (n,) of their rays under the mount: metres to the left, and down, for each one ahead.
        lane: (n,) which boundary each is of, from 0.
        sd: (n,) of `aside`.
    """

    aside: Doubles
    down: Doubles
    lane: Ints
    sd: Doubles


class RoadFilter:
    """The road as of the last frame, in the vehicle's axes."""

    def __init__(self, mount: Mount) -> None:
        self._mount = mount
        self._spread = SPREAD.copy()
        self._spread[NOD] = np.hypot(SPREAD[NOD], mount.pitch_sd)
        self.reset()

    def reset(self) -> None:
        """Forget what was seen."""
        self._state, self._covariance = np.zeros(4), np.diag(self._spread**2)
        self._apart = np.zeros(0)
        self._expected = self._state, self._covariance

    def update(self, seen: Seen, count: int, seconds: float) -> None:
        """Take in a frame with so many boundaries, so long after the last one."""
        kept = np.exp(-seconds / MEMORY_S)
        before = self._covariance[-4:, -4:] * np.outer(kept, kept) + np.diag((1 - kept**2) * self._spread**2)
        known = np.zeros((count + 4, count + 4))
        known[np.arange(count), np.arange(count)] = ASIDE**-2.0
        known[count:, count:] = np.linalg.inv(before)
        self._expected = kept * self._state, before
        found = mean = np.concatenate([np.zeros(count), self._expected[0]])
        normal = known
        for number in range(ROUNDS if count else 0):
            off, terms = self._off(seen, found[:count], found[count:])
            # At first all points are off together, by the nod: none is astray yet.
            strays = (off / ASTRAY) ** 2 if number else 0.0 * off
            weighted = terms.T / (ALIKE * (1 + strays))
            normal = weighted @ terms + known
            found = found + np.linalg.solve(normal, weighted @ off + known @ (mean - found))
        self._covariance = np.linalg.inv(normal)
        self._apart, self._state = found[:count], found[count:]

    def reject(self) -> None:
        """Leave the last frame out after all: the road is as it was expected to be, and no surer."""
        self._state, self._covariance = self._expected

    def misfits(self, seen: Seen) -> Doubles:
        """By how many deviations each point of the last frame is off from the road; 0 beyond `FARTHEST`."""
        return np.abs(self._off(seen, self._apart, self._state)[0])

    def lane(self, left: int, right: int) -> Road:
        """The lane between two of the last frame's boundaries."""
        mount, count, c = self._mount, len(self._apart), self._apart
        heading, curve, nod, _ = self._state.tolist()
        heading_sd, curve_sd, nod_sd, _ = np.sqrt(np.diag(self._covariance)[count:]).tolist()
        own = self._covariance[[[left], [right]], [left, right]]
        middle, width = float(c[left] + c[right]) / 2, float(c[left] - c[right])
        scale = mount.height_sd / mount.height
        both = float(own.sum())
        bend_known = curve_sd < MOST_BEND_SD
        return Road(
            offset_m=-middle,
            offset_sd_m=float(np.hypot(np.sqrt(both) / 2, middle * scale)),
            width_m=width,
            width_sd_m=float(np.hypot(np.sqrt(own[0, 0] + own[1, 1] - 2 * own[0, 1]), width * scale)),
            heading_rad=-heading,
            heading_sd_rad=float(np.hypot(heading_sd, mount.yaw_sd)),
            curvature_per_m=curve if bend_known else None,
            curvature_sd_per_m=curve_sd if bend_known else None,
            pitch_rad=mount.pitch + nod,
            pitch_sd_rad=nod_sd,
        )

    def reach(self, down: Doubles, seen_sd: Doubles | float) -> tuple[Doubles, Doubles, Doubles]:
        """Metres ahead to where rays meet the road, NaN where they do not; and deviations in shares of that.

        The first of these is by the rays' own, `seen_sd` in radians, the second by nods and climbs; that of
        the mount's height comes on top, for all of them together.
        """
        near, root = self._nearness(down, self._state)
        bent = 1 + down * down
        by_road = np.stack([bent / root, 0.5 / (root * near)], 1)  # of log x, by δ and k
        variance = ((by_road @ self._covariance[-2:, -2:]) * by_road).sum(1)
        rough = ROUGH / (6 * near**3 * self._mount.height)
        return 1 / near, seen_sd * bent / root, np.sqrt(variance + rough**2)

    def place(self, aside: Doubles, down: Doubles, seen_sd: float) -> tuple[Doubles, Doubles]:
        """(n, 2) metres ahead and to the left of points of the road, NaN where it is not met; deviations."""
        x, own, road = self.reach(down, seen_sd)
        metres = np.stack([x, aside * x], 1)
        return metres, self.deviations(metres, np.hypot(own, road), seen_sd)

    def deviations(self, metres: Doubles, share: Doubles, seen_sd: Doubles | float) -> Doubles:
        """(n, 2) of metres ahead and to the left (n, 2), by all that is not sure of the mount, too.

        Args:
            share: deviation of how far that is, in shares of it, by the rays and the road.
            seen_sd: of the rays, in radians.
        """
        mount, (x, y) = self._mount, metres.T
        share = np.hypot(share, mount.height_sd / mount.height)
        rolled = np.stack([x * y / mount.height, y * y / mount.height + mount.height], 1) * mount.roll_sd
        turned = np.stack([y * mount.yaw_sd, x * np.hypot(mount.yaw_sd, seen_sd)], 1)
        return np.asarray(np.sqrt((metres * share[:, None]) ** 2 + turned**2 + rolled**2))

    def _nearness(self, down: Doubles, state: Doubles) -> tuple[Doubles, Doubles]:
        """1 / metres ahead, and the root that it comes from: h w² = q w + k / 2 for w = 1 / x."""
        q = down + state[NOD] * (1 + down * down)
        height = self._mount.height
        under = q * q + 2 * height * state[CLIMB]
        root = np.sqrt(np.where((under > 0) & (q > 0), under, np.nan))
        return (q + root) / (2 * height), root

    def _off(self, seen: Seen, c: Doubles, state: Doubles) -> tuple[Doubles, Doubles]:
        """By how much points are off from the model, and how it changes with its values, in deviations.

        Both are 0 where the model has no road, and beyond `FARTHEST`: those points say nothing.
        """
        heading, curve, nod, _ = state.tolist()
        near, root = self._nearness(seen.down, state)
        good = near > 1 / FARTHEST  # NaN is not: no ray leads there
        near, root = np.where(good, near, 1.0), np.where(good, root, 1.0)
        aside, down = np.where(good, seen.aside, 0.0), np.where(good, seen.down, 0.0)
        x, own = 1 / near, c[seen.lane]
        expected = own * near + heading + curve / 2 * x
        by_near = own - curve / 2 * x * x
        slopes = np.zeros((len(x), len(c) + 4))
        slopes[np.arange(len(x)), seen.lane] = near
        slopes[:, len(c) + HEADING] = 1
        slopes[:, len(c) + CURVE] = x / 2
        slopes[:, len(c) + NOD] = by_near * near / root * (1 + down * down) - expected * down
        slopes[:, len(c) + CLIMB] = by_near / 2 / root
        sure = good / np.hypot(seen.sd, BEYOND * x)
        return (aside - expected * (1 - nod * down)) * sure, slopes * sure[:, None]
