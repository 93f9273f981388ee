"""Tracks: which road user of a frame is which of the frames before.

Tracking by detection, as in SORT: every track predicts its box, the boxes found are assigned to the tracks, and
a Kalman filter takes them in. Bewley et al., Simple Online and Realtime Tracking, 2016.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from perception.scene import Instance, Scene

Floats = npt.NDArray[np.float64]

ABSENCE_S = 1.0  # a track that was not seen for longer is dead
MOST = 1000  # tracks; those not seen for longest die first
LEAST_OVERLAP = 0.15  # IoU of boxes, both grown by GROWTH deviations of the prediction, that may be one's
GROWTH = 1.0
# The motion, in sizes of the box (the root of its area): deviation of an edge as measured, of its speed when a
# track is born, and the density of its random acceleration (per second^1.5).
MEASURED, EDGE_PX = 0.04, 1.0
BORN_SPEED = 1.0
ACCELERATION = 0.6


class Tracker:
    def __init__(self) -> None:
        self._next = 1
        self._stamp_ns: int | None = None
        self._forget()

    def _forget(self) -> None:
        self._ids = np.zeros(0, np.int64)
        self._classes = np.zeros(0, np.int64)
        self._seen_ns = np.zeros(0, np.int64)
        self._sightings = np.zeros(0, np.int64)
        self._edges = np.zeros((0, 4))
        self._speeds = np.zeros((0, 4))
        self._variances = np.zeros((0, 3))

    def _keep(self, kept) -> None:
        for name in ("_ids", "_classes", "_seen_ns", "_sightings", "_edges", "_speeds", "_variances"):
            setattr(self, name, getattr(self, name)[kept])

    def update(self, scene: Scene) -> Scene:
        stamp = scene.stamp_ns
        if self._stamp_ns is not None and stamp < self._stamp_ns:
            self._forget()
            self._stamp_ns = None
        dt = 0.0 if self._stamp_ns is None else (stamp - self._stamp_ns) / 1e9
        self._stamp_ns = stamp
        boxes = np.array([one.box for one in scene.instances]).reshape(-1, 4)
        classes = np.array([one.class_id for one in scene.instances], np.int64)
        self._keep(stamp - self._seen_ns <= ABSENCE_S * 1e9)
        self._predict(dt)
        margin = GROWTH * np.sqrt(self._variances[:, 0]) * size(self._edges)
        grown = self._edges + margin[:, None] * [-1, -1, 1, 1]
        theirs = boxes[None] + margin[:, None, None] * [-1, -1, 1, 1]
        iou = iou_pairs(grown[:, None], theirs)
        gain = np.where((iou >= LEAST_OVERLAP) & (self._classes[:, None] == classes), iou, 0.0)
        pairs = assign(gain)
        rows = np.array([i for i, _ in pairs], np.int64)
        cols = np.array([j for _, j in pairs], np.int64)
        self._correct(rows, boxes[cols])
        self._seen_ns[rows] = stamp
        self._sightings[rows] += 1
        tracks = np.zeros(len(boxes), np.int64)
        tracks[cols] = self._ids[rows]
        self._keep((self._seen_ns == stamp) | (self._sightings > 1))
        new = np.flatnonzero(tracks == 0)
        tracks[new] = self._next + np.arange(len(new))
        self._next += len(new)
        n = len(new)
        noise = MEASURED**2 + (EDGE_PX / size(boxes[new])) ** 2
        born = np.stack([noise, np.zeros(n), np.full(n, BORN_SPEED**2)], axis=1)
        self._ids = np.append(self._ids, tracks[new])
        self._classes = np.append(self._classes, classes[new])
        self._seen_ns = np.append(self._seen_ns, np.full(n, stamp))
        self._sightings = np.append(self._sightings, np.ones(n, np.int64))
        self._edges = np.append(self._edges, boxes[new], axis=0)
        self._speeds = np.append(self._speeds, np.zeros((n, 4)), axis=0)
        self._variances = np.append(self._variances, born, axis=0)
        return replace(
            scene,
            instances=tuple(replace(one, track=t) for one, t in zip(scene.instances, tracks.tolist(), strict=True)),
        )

    def _predict(self, dt: float) -> None:
        self._edges = self._edges + dt * self._speeds
        pp, pv, vv = self._variances.T
        q = ACCELERATION**2
        self._variances = np.stack(
            [pp + 2 * dt * pv + dt**2 * vv + q * dt**3 / 3, pv + dt * vv + q * dt**2 / 2, vv + q * dt], axis=1
        )

    def _correct(self, rows, boxes) -> None:
        pp, pv, vv = self._variances[rows].T
        noise = MEASURED**2 + (EDGE_PX / size(boxes)) ** 2
        a, b = pp / (pp + noise), pv / (pp + noise)
        miss = boxes - self._edges[rows]
        self._edges[rows] += a[:, None] * miss
        self._speeds[rows] += b[:, None] * miss
        self._variances[rows] = np.stack([(1 - a) * pp, (1 - a) * pv, vv - b * pv], axis=1)


def size(boxes: Floats) -> Floats:
    sides = np.maximum(boxes[..., 2:] - boxes[..., :2], 1.0)
    return np.sqrt(sides[..., 0] * sides[..., 1])


def assign(gains: Floats) -> list[tuple[int, int]]:
    """Pairs (row, column), each used once, with the greatest sum of gains; a gain of 0 pairs nothing."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415 - slow to import, and not always needed

    rows, columns = linear_sum_assignment(gains, maximize=True)
    taken = gains[rows, columns] > 0
    return list(zip(rows[taken].tolist(), columns[taken].tolist(), strict=True))


def box_iou(a: Floats, b: Floats) -> Floats:
    return iou_pairs(a[:, None], b[None])


def iou_pairs(a: Floats, b: Floats) -> Floats:
    inner = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    inner = np.maximum(inner, 0).prod(-1)
    union = np.maximum(a[..., 2:] - a[..., :2], 0).prod(-1) + np.maximum(b[..., 2:] - b[..., :2], 0).prod(-1) - inner
    return inner / np.maximum(union, 1e-9)
