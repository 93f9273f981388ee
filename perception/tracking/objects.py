"""Tracks: which road user of a frame is which one of the frames before.

Tracking by detection, after Bewley et al., Simple Online and Realtime Tracking (SORT), 2016: tracks predict
their boxes, the boxes that were found are assigned to them, and a Kalman filter takes each of those in.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from perception.scene import Scene
from perception.tracking.assignment import assign, overlap, size
from perception.types import Doubles

ABSENCE_S = 1.0  # a track that was not seen for longer is dead
MOST = 1000  # tracks at a time; those not seen for the longest die first
LEAST_IOU = 0.05  # of a predicted box and a found one, both grown by the prediction's deviation

# How boxes move. Lengths are in sizes of the box (the root of its area), so that they hold near and far.
EDGE_NOISE, EDGE_NOISE_PX = 0.03, 1.0  # deviation of an edge that was found: so many sizes, and pixels
SPEED = 2.0  # deviation of an edge's speed before a second sighting measures it, in sizes a second
ACCELERATION = 0.6  # root of the density of white-noise acceleration, in sizes a second^1.5

OUTWARDS = np.array([-1.0, -1.0, 1.0, 1.0])
TRACK = np.dtype(
    [
        ("id", np.int64),
        ("class_id", np.int64),
        ("seen_ns", np.int64),
        ("sightings", np.int64),
        # Each edge moves on its own, so that a box may grow, or stand at the frame's border with one edge.
        ("box", np.float64, 4),
        ("speed", np.float64, 4),
        # Covariance of an edge's place and speed, the same for all four: in sizes, a second.
        ("place_variance", np.float64),
        ("covariance", np.float64),
        ("speed_variance", np.float64),
    ]
)


class Tracker:
    """Gives road users ids that stay with them, over the scenes of one camera in the order of their stamps.

    A track is born with every instance that can be none of the living. A track that was seen once dies when
    it is missed; any other lives on unseen, along its course, for `ABSENCE_S`. Time is that of the stamps:
    frames may come at any rate, or be missing. An id is never given twice.

    The same scenes give the same tracks. The time taken is bounded by `MOST` and by how many instances come.
    """

    def __init__(self) -> None:
        self._tracks = np.empty(0, TRACK)
        self._stamp_ns = 0
        self._shape: tuple[int, ...] = ()
        self._recording = 0
        self._next_id = 1

    def update(self, scene: Scene) -> Scene:
        """The scene with the `track` of each instance set.

        Another `Scene.recording`, or a stamp before the last one, is the beginning of another recording, and
        in a frame of another size the same box is another place: nothing is tracked across either.
        """
        same = scene.recording == self._recording and scene.size == self._shape
        if not same or scene.stamp_ns < self._stamp_ns:
            self._tracks = self._tracks[:0]
        self._shape, self._recording = scene.size, scene.recording
        boxes = np.array([one.box for one in scene.instances], np.float64).reshape(-1, 4)
        class_ids = np.array([one.class_id for one in scene.instances], np.int64)
        self._predict(scene.stamp_ns)
        rows, columns = assign(self._gains(boxes, class_ids))
        self._correct(rows, boxes[columns])
        ids = np.zeros(len(boxes), np.int64)
        ids[columns] = self._tracks["id"][rows]
        new = ids == 0
        ids[new] = self._bear(boxes[new], class_ids[new])
        instances = zip(scene.instances, ids.tolist(), strict=True)
        return scene.evolve(instances=tuple(replace(one, track=track) for one, track in instances))

    def _predict(self, stamp_ns: int) -> None:
        """Drop tracks unseen for more than `ABSENCE_S`, and move the others on to the stamp."""
        tracks = self._tracks = self._tracks[stamp_ns - self._tracks["seen_ns"] <= ABSENCE_S * 1e9]
        seconds = (stamp_ns - self._stamp_ns) / 1e9
        self._stamp_ns = stamp_ns
        density = ACCELERATION**2
        tracks["box"] += seconds * tracks["speed"]
        tracks["place_variance"] += (
            2 * seconds * tracks["covariance"]
            + seconds**2 * tracks["speed_variance"]
            + seconds**3 / 3 * density
        )
        tracks["covariance"] += seconds * tracks["speed_variance"] + seconds**2 / 2 * density
        tracks["speed_variance"] += seconds * density

    def _gains(self, boxes: Doubles, class_ids: npt.NDArray[np.int64]) -> Doubles:
        """How well each track (row) fits each box (column); 0: it cannot be the one.

        The IoU with both boxes grown by the deviation of the prediction: an unsure track may be met where it
        does not overlap, and a small or a fast one between frames far apart.
        """
        predicted = self._tracks["box"]
        grown = (np.sqrt(self._tracks["place_variance"]) * size(predicted))[:, None] * OUTWARDS
        iou = overlap((predicted + grown)[:, None], boxes + grown[:, None])
        return np.where((iou >= LEAST_IOU) & (self._tracks["class_id"][:, None] == class_ids), iou, 0.0)

    def _correct(self, rows: npt.NDArray[np.intp], boxes: Doubles) -> None:
        """Take in the boxes found for those tracks."""
        seen = self._tracks[rows]
        total = seen["place_variance"] + _noise(boxes)
        place_gain, speed_gain = seen["place_variance"] / total, seen["covariance"] / total
        missed_by = boxes - seen["box"]
        seen["box"] += place_gain[:, None] * missed_by
        seen["speed"] += speed_gain[:, None] * missed_by
        seen["speed_variance"] -= speed_gain * seen["covariance"]
        seen["covariance"] *= 1 - place_gain
        seen["place_variance"] *= 1 - place_gain
        seen["seen_ns"] = self._stamp_ns
        seen["sightings"] += 1
        self._tracks[rows] = seen

    def _bear(self, boxes: Doubles, class_ids: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """New tracks for these boxes, in the place of those missed at their second sighting; their ids."""
        born = np.zeros(len(boxes), TRACK)
        born["id"] = self._next_id + np.arange(len(boxes))
        born["class_id"], born["box"] = class_ids, boxes
        born["seen_ns"], born["sightings"] = self._stamp_ns, 1
        born["place_variance"], born["speed_variance"] = _noise(boxes), SPEED**2
        self._next_id += len(boxes)
        known = (self._tracks["seen_ns"] == self._stamp_ns) | (self._tracks["sightings"] > 1)
        tracks = np.concatenate([self._tracks[known], born])
        if len(tracks) > MOST:
            tracks = tracks[np.argsort(-tracks["seen_ns"], kind="stable")[:MOST]]
        self._tracks = tracks
        return born["id"]


def _noise(boxes: Doubles) -> Doubles:
    """Variance of the edges of boxes that were found, in sizes."""
    return EDGE_NOISE**2 + (EDGE_NOISE_PX / size(boxes)) ** 2
