"""How far road users are, steady over time: a Kalman filter of log x and its speed for each track.

In the log, errors are of one size near and far. How tall a track is seen is no use: with its height as a
third state, learnt near and by class, distances of 3 to 20 m were off by 3 to 4 % in the median and not
by 2: the top of an outline is another part of the vehicle from near than from far.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from perception.types import Doubles, Ints

SPEED = 1.0  # deviation of the speed before it is measured, in shares of the distance a second
ACCELERATION = 1.5  # root of the density of its noise, in shares a second^1.5
ALIKE_S = 0.15  # in which the errors of outlines and of the road's course change
ABSENCE_S = 1.0  # after which a track is forgotten
JUMP = 3.0  # deviations from which on a sighting weighs less (Huber): a foot that was hidden, or cut

TRACK = np.dtype(
    [
        ("id", np.int64),
        ("seen_ns", np.int64),
        ("place", np.float64),
        ("speed", np.float64),
        ("place_variance", np.float64),
        ("covariance", np.float64),
        ("speed_variance", np.float64),
    ]
)


class DistanceFilter:
    """A track begins again where its foot was not seen for `ABSENCE_S`."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all tracks."""
        self._tracks: npt.NDArray[Any] = np.empty(0, TRACK)

    def update(self, ids: Ints, ahead: Doubles, sd: Doubles, stamp_ns: int) -> tuple[Doubles, Doubles]:
        """Take in a frame.

        Args:
            ids: (n,) of the tracks with a foot in sight.
            ahead, sd: (n,) metres, and their deviation in shares of them.

        Returns:
            The same, steadied.
        """
        known = self._tracks[stamp_ns - self._tracks["seen_ns"] <= ABSENCE_S * 1e9]
        found, place, variance = _born(ids, stamp_ns), np.log(ahead), sd**2
        new, old = (ids[:, None] == known["id"]).nonzero()
        found[new] = known[old]
        seconds = (stamp_ns - found["seen_ns"]) / 1e9
        born = np.ones(len(ids), bool)
        born[new] = False
        _predict(found, seconds)
        # An error that lasts over several frames counts once.
        noise = variance * np.maximum(1, ALIKE_S / np.maximum(seconds, 1e-3))
        _correct(found, place, noise)
        found["place"][born], found["place_variance"][born] = place[born], variance[born]
        found["seen_ns"] = stamp_ns
        unseen = np.ones(len(known), bool)
        unseen[old] = False
        self._tracks = np.concatenate([known[unseen], found])
        return np.exp(found["place"]), np.sqrt(found["place_variance"])


def _born(ids: Ints, stamp_ns: int) -> npt.NDArray[Any]:
    born = np.zeros(len(ids), TRACK)
    born["id"], born["seen_ns"], born["speed_variance"] = ids, stamp_ns, SPEED**2
    return born


def _predict(found: npt.NDArray[Any], seconds: Doubles) -> None:
    """At a steady speed log x changes by r a second, and r by -r²."""
    speed = found["speed"].copy()
    found["place"] += seconds * speed
    found["speed"] -= seconds * np.clip(speed, -1, 1) ** 2
    density = ACCELERATION**2
    found["place_variance"] += (
        2 * seconds * found["covariance"] + seconds**2 * found["speed_variance"] + seconds**3 / 3 * density
    )
    found["covariance"] += seconds * found["speed_variance"] + seconds**2 / 2 * density
    found["speed_variance"] += seconds * density


def _correct(found: npt.NDArray[Any], place: Doubles, noise: Doubles) -> None:
    off, total = place - found["place"], found["place_variance"] + noise
    total = np.maximum(total, np.abs(off) * np.sqrt(total) / JUMP)
    place_gain, speed_gain = found["place_variance"] / total, found["covariance"] / total
    found["place"] += place_gain * off
    found["speed"] += speed_gain * off
    found["speed_variance"] -= speed_gain * found["covariance"]
    found["covariance"] *= 1 - place_gain
    found["place_variance"] *= 1 - place_gain
