"""The road in metres from the lane boundaries of one camera's scenes, over time.

In the vehicle's axes boundaries run alongside each other: y = c + θ x + κ x²/2, each with its own c. Their road
climbs by k x²/2, and the car nods by δ against the mount. That boundaries keep their distance shows δ and k, as it
shows a vanishing point. All of it is one extended Kalman filter (as in Dickmanns and Mysliwetz, Recursive 3-D road
and relative ego-state recognition, 1992), but for c, which has no memory: so nothing lags when the car changes
lanes. Their clothoid, with κ + κ' x, made κ three times less exact: 0.00034 in place of 0.00012 / m.
"""

from dataclasses import dataclass

import numpy as np

from perception.types import Doubles, Ints

HEADING, CURVE, NOD, CLIMB = range(4)  # θ in rad, κ in 1/m, δ in rad, k in 1/m

# Of each: deviation where nothing was seen yet; in how many seconds it is forgotten.
SPREAD = np.array([0.03, 4e-3, 6e-3, 5e-4])
MEMORY_S = np.array([1.5, 1.5, 0.25, 1.5])
ASIDE = 20.0  # deviation of a boundary's c, in metres: none is known before

FARTHEST = 60.0  # metres: what is seen there takes up bends and hills of higher order
PIXELS = 1.5  # deviation of a boundary where its paint is seen
UNPAINTED = 8.0  # times that between its dashes
ALIKE = 20.0  # rows of a boundary that err alike
BEYOND = 2e-5  # deviation of a boundary's course from the model, in radians, a metre
ROUNDS = 3  # of the fit: nods and climbs turn rays
ASTRAY = 1.5  # deviations from which on a point's weight falls (Cauchy)


@dataclass(frozen=True, slots=True)
class Seen:
    """Points of lane boundaries.

    Attributes:
        aside, down: (n,) of their rays under the mount: metres to the left, and down, for each one ahead.
        lane: (n,) which boundary each is of, from 0.
        sd: (n,) radians.
    """

    aside: Doubles
    down: Doubles
    lane: Ints
    sd: Doubles


class RoadFilter:
    """Args: height: of the camera, metres; pitch_sd: of the mount, radians."""

    def __init__(self, height: float, pitch_sd: float) -> None:
        self._height = height
        self._spread = SPREAD.copy()
        self._spread[NOD] = np.hypot(SPREAD[NOD], pitch_sd)
        self.reset()

    def reset(self) -> None:
        self.state, self.covariance = np.zeros(4), np.diag(self._spread**2)

    def update(self, seen: Seen, seconds: float) -> tuple[Doubles, Doubles]:
        """Take in a frame; `state` and `covariance` are then as of it.

        Returns:
            c of each boundary in metres (m,), and the covariance of all c and the state, (m + 4, m + 4).
        """
        kept = np.exp(-seconds / MEMORY_S)
        before = kept * self.state
        covariance = self.covariance * np.outer(kept, kept) + np.diag((1 - kept**2) * self._spread**2)
        count = int(seen.lane.max(initial=-1)) + 1
        known = np.zeros((count + 4, count + 4))
        known[np.arange(count), np.arange(count)] = ASIDE**-2.0
        known[count:, count:] = np.linalg.inv(covariance)
        mean = np.concatenate([np.zeros(count), before])
        found = mean
        for _ in range(ROUNDS):
            expected, slopes, sd = self._look(seen, found[:count], found[count:])
            # NaN where the model has no road: those points say nothing.
            off = np.nan_to_num((seen.aside - expected) / sd)
            weight = np.isfinite(sd) / ALIKE / (1 + (off / ASTRAY) ** 2)
            terms = np.nan_to_num(slopes / sd[:, None])
            normal = terms.T @ (weight[:, None] * terms) + known
            found = found + np.linalg.solve(normal, terms.T @ (weight * off) + known @ (mean - found))
        everything = np.linalg.inv(normal)
        self.state, self.covariance = found[count:], everything[count:, count:]
        return found[:count], everything

    def ahead(self, down: Doubles) -> Doubles:
        """Metres ahead to where rays meet the road; NaN where they do not, or after `FARTHEST` hills."""
        return self._ahead(down, self.state)

    def _ahead(self, down: Doubles, state: Doubles) -> Doubles:
        return 1 / self._nearness(down, state)[0]

    def _nearness(self, down: Doubles, state: Doubles) -> tuple[Doubles, Doubles]:
        """1 / metres ahead, and the root that it comes from: h w² = q w + k / 2 for w = 1 / x."""
        q = down + state[NOD] * (1 + down * down)
        under = q * q + 2 * self._height * state[CLIMB]
        root = np.sqrt(np.where((under > 0) & (q > 0), under, np.nan))
        return (q + root) / (2 * self._height), root

    def _look(self, seen: Seen, c: Doubles, state: Doubles) -> tuple[Doubles, Doubles, Doubles]:
        """Where the model has the points aside, how that changes with its values, and its deviation there."""
        heading, curve = state[:2]
        near, root = self._nearness(seen.down, state)
        near[near < 1 / FARTHEST] = np.nan
        x, own = 1 / near, c[seen.lane]
        expected = own * near + heading + curve * x / 2
        by_near = own - curve * x * x / 2
        slopes = np.zeros((len(x), len(c) + 4))
        slopes[np.arange(len(x)), seen.lane] = near
        slopes[:, len(c) + HEADING] = 1
        slopes[:, len(c) + CURVE] = x / 2
        slopes[:, len(c) + NOD] = by_near * near / root * (1 + seen.down**2) - expected * seen.down
        slopes[:, len(c) + CLIMB] = by_near / 2 / root
        return expected * (1 - seen.down * state[NOD]), slopes, np.hypot(seen.sd, BEYOND * x)
