"""How far road users are, over time: by where their foot is seen on the road, and by how tall they are seen.

A Kalman filter for each track. Its state is log x, log of the track's height, and how fast log x changes: so errors
that grow with the distance are of one size, and a height that was learnt near serves far away, where the foot
says little: a hill or a nod moves all feet, and no height.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.types import Doubles, Ints

# Heights by class in metres, and their deviation in shares: before one is measured.
HEIGHTS = {"vehicle": (1.9, 0.35), "pedestrian": (1.65, 0.15), "two_wheeler": (1.7, 0.12)}
ANY_HEIGHT = 1.5, 1.0

SPEED = 1.0  # deviation of the speed before it is measured, in shares of the distance a second
ACCELERATION = 0.25  # root of the density of its noise, in shares a second^1.5
FOOT_S, ROAD_S = 0.2, 1.0  # in which the errors of outlines, and of the road's course, change
ABSENCE_S = 1.0  # after which a track is forgotten
JUMP = 4.0  # deviations from which on a sighting weighs less: a foot that was hidden, a box that was cut

TRACK = np.dtype(
    [("id", np.int64), ("seen_ns", np.int64), ("state", np.float64, 3), ("covariance", np.float64, (3, 3))]
)
_AHEAD = np.array([1.0, 0.0, 0.0])
_HEIGHT = np.array([-1.0, 1.0, 0.0])  # log of the height seen, in radians: log height - log x


@dataclass(frozen=True, slots=True)
class Sightings:
    """Of tracks in a frame, all (n,).

    Attributes:
        track, height: its id; log of the class's height, and `height_sd` its deviation.
        ahead: log of metres to the foot; NaN where the foot is not seen; `foot_sd` and `road_sd` are its
            deviations by the outline and by the road, in shares.
        tall: log of the height seen, in radians; NaN where it is cut; `tall_sd` its deviation.
    """

    track: Ints
    height: Doubles
    height_sd: Doubles
    ahead: Doubles
    foot_sd: Doubles
    road_sd: Doubles
    tall: Doubles
    tall_sd: Doubles


class DistanceFilter:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._tracks: npt.NDArray[Any] = np.empty(0, TRACK)

    def update(self, seen: Sightings, stamp_ns: int) -> tuple[Doubles, Doubles]:
        """Log of the metres ahead of each, and its deviation; NaN for one whose foot was never seen."""
        tracks = self._tracks[stamp_ns - self._tracks["seen_ns"] <= ABSENCE_S * 1e9]
        at = {track: k for k, track in enumerate(tracks["id"].tolist())}
        new = np.array([track not in at for track in seen.track.tolist()], bool) & np.isfinite(seen.ahead)
        tracks = np.concatenate([tracks, _born(seen, new, stamp_ns)])
        at = {track: k for k, track in enumerate(tracks["id"].tolist())}
        rows = np.array([at.get(track, -1) for track in seen.track.tolist()], np.intp)
        known = np.flatnonzero(rows >= 0)
        now = tracks[rows[known]]
        seconds = (stamp_ns - now["seen_ns"]) / 1e9
        _predict(now, seconds)
        # Errors that last are taken in once, and not with every frame.
        slow = [np.maximum(1, of / np.maximum(seconds, 1e-3)) for of in (FOOT_S, ROAD_S)]
        tall, tall_sd = seen.tall[known], seen.tall_sd[known]
        _correct(now, _HEIGHT, tall, tall_sd**2 * slow[0])
        ahead, foot_sd, road_sd = seen.ahead[known], seen.foot_sd[known], seen.road_sd[known]
        _correct(now, _AHEAD, np.where(new[known], np.nan, ahead), foot_sd**2 * slow[0] + road_sd**2 * slow[1])
        now["seen_ns"] = stamp_ns
        tracks[rows[known]] = now
        self._tracks = tracks
        mean, sd = np.full((2, len(seen.track)), np.nan)
        mean[known], sd[known] = now["state"][:, 0], np.sqrt(now["covariance"][:, 0, 0])
        return mean, sd


def _born(seen: Sightings, new: npt.NDArray[np.bool_], stamp_ns: int) -> npt.NDArray[Any]:
    born = np.zeros(np.count_nonzero(new), TRACK)
    born["id"], born["seen_ns"] = seen.track[new], stamp_ns
    born["state"][:, 0], born["state"][:, 1] = seen.ahead[new], seen.height[new]
    born["covariance"][:, 0, 0] = seen.foot_sd[new] ** 2 + seen.road_sd[new] ** 2
    born["covariance"][:, 1, 1] = seen.height_sd[new] ** 2
    born["covariance"][:, 2, 2] = SPEED**2
    return born


def _predict(now: npt.NDArray[Any], seconds: Doubles) -> None:
    """At a steady speed log x changes by r, and r by -r²."""
    speed = now["state"][:, 2].copy()
    now["state"][:, 0] += seconds * speed
    now["state"][:, 2] -= seconds * np.clip(speed, -2, 2) ** 2
    move = np.tile(np.eye(3), (len(now), 1, 1))
    move[:, 0, 2] = seconds
    covariance = move @ now["covariance"] @ move.transpose(0, 2, 1)
    density = ACCELERATION**2 * (1 + (speed / 0.5) ** 2)
    covariance[:, 0, 0] += seconds**3 / 3 * density
    covariance[:, 0, 2] += seconds**2 / 2 * density
    covariance[:, 2, 0] += seconds**2 / 2 * density
    covariance[:, 2, 2] += seconds * density
    now["covariance"] = covariance


def _correct(now: npt.NDArray[Any], row: Doubles, measured: Doubles, variance: Doubles) -> None:
    """Take in what was measured of row @ state; NaN: nothing was."""
    off = measured - now["state"] @ row
    spread = now["covariance"] @ row
    total = spread @ row + variance
    # A sighting that is off by more is less sure by as much (Huber).
    total = np.maximum(total, np.abs(off) * np.sqrt(total) / JUMP)
    gain = spread / total[:, None]
    seen = np.isfinite(off)
    now["state"][seen] += (gain * off[:, None])[seen]
    now["covariance"][seen] -= (gain[:, :, None] * spread[:, None, :])[seen]
