"""Seconds until road users are reached, by how fast they grow: no calibration is needed.

At a steady speed one over the size that something is seen at falls along a straight line, to 0 when it is
reached (Lee, A theory of visual control of braking based on information about time-to-collision, 1976).
The line is fitted to each track's heights, the older ones weighing less. Widths are no use: a vehicle
that is passed shows its side.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.scene import Instance, Scene
from perception.scene_items import BORDER_PX
from perception.types import Doubles

MEMORY_S = 0.2  # in which a size loses weight, to 1/e
EDGE_PX = 1.2  # deviation of a size, in pixels of a frame 720 high
EDGE = 0.006  # and in sizes: outlines of what is near are no surer
ALIKE_S = 0.2  # in which the errors of an outline change
LEAST = 4.0  # deviations by which something must come nearer
LEAST_S = 0.4  # over which it must have been seen
ABSENCE_S = 1.0  # after which a track is forgotten

TRACK = np.dtype(
    [("id", np.int64), ("seen_ns", np.int64), ("since_ns", np.int64), ("sums", np.float64, 7)]
)  # how many sizes, their weights, and weighted: times, squared times, sizes, times · sizes, squared sizes


class ClosingTracker:
    """Gives road users `Instance.ttc_s`, over the scenes of one camera in the order of their stamps.

    It comes after `Tracker`. The same scenes give the same seconds; frames may come at any rate.
    """

    def __init__(self) -> None:
        self._tracks: npt.NDArray[Any] = np.empty(0, TRACK)
        self._stamp_ns = self._recording = 0
        self._shape: tuple[int, ...] = ()

    def update(self, scene: Scene) -> Scene:
        """The scene with the seconds of each track that is seen whole, and is sure to come nearer.

        Another `Scene.recording`, a stamp before the last one, or another size of the frame is the beginning
        of another recording.
        """
        same = scene.recording == self._recording and scene.size == self._shape
        if not same or scene.stamp_ns < self._stamp_ns:
            self._tracks = self._tracks[:0]
        self._stamp_ns, self._recording, self._shape = scene.stamp_ns, scene.recording, scene.size
        self._tracks = self._tracks[scene.stamp_ns - self._tracks["seen_ns"] <= ABSENCE_S * 1e9]
        seen = [one for one in scene.instances if one.track is not None and _whole(one, scene)]
        if not seen:
            return scene
        return scene.evolve(instances=_published(scene, self._take(seen, scene)))

    def _take(self, seen: list[Instance], scene: Scene) -> npt.NDArray[Any]:
        """Take in what is seen whole; the tracks of it."""
        ids = np.array([one.track for one in seen])
        size = np.array([one.box[3] - one.box[1] for one in seen])
        now = np.zeros(len(ids), TRACK)
        now["id"] = ids
        now["seen_ns"] = now["since_ns"] = scene.stamp_ns
        new, old = (ids[:, None] == self._tracks["id"]).nonzero()
        now[new] = self._tracks[old]
        seconds = (scene.stamp_ns - now["seen_ns"]) / 1e9
        now["sums"] = _later(now["sums"], seconds)
        inverse = 1 / size
        share = np.hypot(EDGE_PX * scene.size[0] / 720 / size, EDGE)
        # The errors of frames in quick succession are alike: together they weigh as one.
        count = np.minimum(np.where(now["since_ns"] == scene.stamp_ns, 1.0, seconds / ALIKE_S), 1.0)
        weight = count / (share * inverse) ** 2
        zero = np.zeros(len(ids))
        now["sums"] += np.stack([count, weight, zero, zero, weight * inverse, zero, weight * inverse**2], 1)
        now["seen_ns"] = scene.stamp_ns
        self._tracks = np.concatenate([np.delete(self._tracks, old), now])
        return now


def _published(scene: Scene, tracks: npt.NDArray[Any]) -> tuple[Instance, ...]:
    ttc, sd = _solve(tracks["sums"])
    span = (scene.stamp_ns - tracks["since_ns"]) / 1e9
    sure = (ttc > LEAST * sd) & (span >= LEAST_S)
    rows = (tracks["id"][sure].tolist(), ttc[sure].tolist(), sd[sure].tolist())
    known = {track: (seconds, deviation) for track, seconds, deviation in zip(*rows, strict=True)}
    return tuple(
        replace(one, ttc_s=known[one.track][0], ttc_sd_s=known[one.track][1]) if one.track in known else one
        for one in scene.instances
    )


def _whole(one: Instance, scene: Scene) -> bool:
    """Whether neither the frame's border nor the own car cuts it: then it grows by other parts of it."""
    (x0, y0, x1, y1), (height, width) = one.box, scene.size
    if min(x0, y0) <= BORDER_PX or x1 >= width - BORDER_PX or y1 >= height - BORDER_PX:
        return False
    return scene.ego_mask is None or not scene.ego_mask[int(y1) + 1, int((x0 + x1) / 2)]


def _later(sums: Doubles, seconds: Doubles) -> Doubles:
    """The sums so much later: times count from now, and weigh less."""
    count, weight, time, squares, size, product, size_squares = sums.T
    s, earlier = seconds, time - seconds * weight
    moved = [count, weight, earlier, squares - s * (time + earlier), size, product - s * size, size_squares]
    return np.stack(moved, 1) * np.exp(-s / MEMORY_S)[:, None]


def _solve(sums: Doubles) -> tuple[Doubles, Doubles]:
    """Seconds until each line reaches 0, below 0 where it rises, and their deviation."""
    count, weight, time, squares, size, product, size_squares = sums.T
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = weight * squares - time * time
        slope = (weight * product - time * size) / determinant
        level = (squares * size - time * product) / determinant
        # What the line leaves unexplained may be more than outlines are off by: something hides it, say.
        worse = np.maximum((size_squares - level * size - slope * product) / count, 1)
        slope_sd = np.sqrt(worse * weight / determinant)
        ttc = -level / slope
        sd = np.abs(ttc) * slope_sd / np.abs(slope)
    return np.where(np.isfinite(ttc), ttc, -1.0), np.where(np.isfinite(sd), sd, np.inf)
