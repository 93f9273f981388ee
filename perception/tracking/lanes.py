"""Lane boundaries that are steady over time: matched from frame to frame, and filtered row by row.

A boundary is known by its x in `ROWS` rows of the frame, each with its own variance, so that it may have any
shape, and what is hidden now is kept from earlier frames. Most motion between two frames is the camera's: it
is found from all boundaries at once and applied to all of them, seen or not. The rest is small, and a Kalman
filter smooths it without lagging behind when the car changes lanes. Which two bound the ego lane is settled
among them: see `ego_lane`.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, ClassSet
from perception.ego import lanes_outside
from perception.resample import source_pixels
from perception.scene import Lane, Scene, Side
from perception.tracking.assignment import assign
from perception.tracking.ego_lane import EgoLane
from perception.types import Bools, Doubles, Ints

Tracks = npt.NDArray[Any]  # of TRACK

ROWS = 120
MOST = 24  # boundaries at a time; the least believed die first
GATE = 3.0  # deviations by which one may be off from where it was predicted

# Lengths are in widths of the frame (heights for rows), times in seconds.
NOISE = 0.002  # deviation of a surely found boundary where its paint is seen
AWAY = 0.03  # from the nearest paint: where its variance is twice that
FAINTEST = 0.1  # confidence; what is less sure is not noisier
DRIFT = 0.012  # root of the density of what a row moves by itself, a second^½
LOST = 0.02  # deviation at which a row is forgotten
UNKNOWN = 1.0  # variance of a row that is not known
DOUBLE = 0.01  # mean distance of two boundaries that are one
TURN, SIDEWAYS, NOD = 0.1, 0.2, 0.05  # deviations of the camera's speeds, see `_motions`
GOING_S = 0.5  # in which it loses them
HORIZON = 0.4  # above it nothing moves with the car's place on the road

BELIEF_S = 0.5  # in which a boundary is believed in, or given up
SHOWN, HIDDEN, DEAD = 0.5, 0.4, 0.06  # belief to be published, to stay so, and to be kept at all
SURE = 0.3  # confidence of one that is believed at first sight
CONFIDENCE_S, KIND_S = 0.3, 1.0  # in which these change
FIRM = 0.3  # of a kind, from 0 to 1: how sure it must be to be published
REACHING = 0.6  # of the height: a boundary that ends above is not known to reach the camera

KINDS = ("unknown", "solid", "dashed")  # by number: 0, 1 and -1
SIDES: dict[float, Side] = {-1.0: "left", 1.0: "right"}
TRACK = np.dtype(
    [
        ("x", np.float64, ROWS),
        ("variance", np.float64, ROWS),
        ("confidence", np.float64),
        ("belief", np.float64),
        ("shown", np.bool_),
        ("kind", np.float64),  # from -1, dashed, to 1, solid
        ("shown_kind", np.float64),
        ("side", np.float64),  # of the ego lane, by `SIDES`, or 0
    ]
)
LEARNT = "belief", "shown", "kind", "shown_kind", "side"  # of a track, over many frames
_ROW = np.arange(ROWS)
_DEPTH = np.clip(((_ROW + 0.5) / ROWS - HORIZON) / (1 - HORIZON), 0, 1)  # 1 at the bottom of the frame


class LaneTracker:
    """Steadies the lane boundaries of one camera's scenes, in the order of their stamps.

    A sure boundary is published at first sight, a faint one once it was seen for a while; both are kept,
    unseen, for up to half a second. Kinds change only when several frames say so. Time is that of the
    stamps: frames may come at any rate, or be missing.

    The same scenes give the same boundaries. The time taken is bounded by `MOST`.
    """

    def __init__(self, classes: ClassSet = DRIVE) -> None:
        paint = "lane_marking"
        self._paint = classes.id(paint) if paint in classes.names else -1  # no pixel's
        self._tracks = np.empty(0, TRACK)
        self._speeds = np.zeros(3)  # of the camera, see `_motions`
        self._stamp_ns = 0
        self._shape: tuple[int, ...] = ()
        self._recording = 0
        self._ego = EgoLane()

    def update(self, scene: Scene) -> Scene:
        """The scene with steady lanes, from left to right.

        Another `Scene.recording`, a stamp before the last one, or another size of the frame is the beginning
        of another recording: nothing is remembered across it.
        """
        same = scene.recording == self._recording and scene.size == self._shape
        if not same or scene.stamp_ns < self._stamp_ns:
            self._tracks, self._speeds, self._ego = self._tracks[:0], np.zeros(3), EgoLane()
        seconds = max((scene.stamp_ns - self._stamp_ns) / 1e9, 1e-3)
        self._stamp_ns, self._shape = scene.stamp_ns, scene.size
        self._recording = scene.recording
        found = _sample(scene, self._paint)
        self._predict(seconds)
        tracks, columns = assign(self._gains(found, seconds))
        self._move(tracks, found[columns], seconds)
        self._correct(tracks, found[columns], seconds)
        self._drop_doubles(tracks)
        self._renew(np.delete(found, columns))
        self._settle_sides(seconds)
        lanes = _publish(self._tracks[self._tracks["shown"]], *scene.size)
        return scene.evolve(lanes=lanes if scene.ego_mask is None else lanes_outside(lanes, scene.ego_mask))

    def _predict(self, seconds: float) -> None:
        """Let the camera go on turning and moving to the side for a while; a nod swings back."""
        self._speeds *= np.array([1, 1, 0]) * np.exp(-seconds / GOING_S)
        self._tracks["x"] += _motions(self._tracks) @ (seconds * self._speeds)
        self._tracks["variance"] += seconds * DRIFT**2

    def _gains(self, found: Tracks, seconds: float) -> Doubles:
        """How well each track (row) fits each boundary found (column); 0: it cannot be the one.

        They fit where their distance in common rows is no more than noise and the camera's motion give.
        """
        tracks = self._tracks[:, None]
        common = _known(tracks) & _known(found)
        moved = seconds**2 * (TURN**2 + (SIDEWAYS * _DEPTH) ** 2)
        apart = (tracks["x"] - found["x"]) ** 2 / (tracks["variance"] + found["variance"] + moved)
        return np.maximum(1 - _mean(apart, common) / GATE**2, 0.0)

    def _move(self, tracks: Ints, found: Tracks, seconds: float) -> None:
        """Move all tracks as the camera did beyond that, by least squares over those that were found."""
        motions = _motions(self._tracks)
        seen, terms = self._tracks[tracks], motions[tracks]
        common = _known(seen) & _known(found)
        # The rows of one boundary err alike: together they weigh as one.
        weight = common / np.maximum(common.sum(1, keepdims=True), 1) / (seen["variance"] + found["variance"])
        weighted = weight[..., None] * terms
        missed_by = np.where(common, found["x"] - seen["x"], 0.0)
        known = np.diag((seconds * np.array([TURN, SIDEWAYS, NOD])) ** -2.0)
        normal = np.tensordot(weighted, terms, ([0, 1], [0, 1])) + known
        moved = np.linalg.solve(normal, np.tensordot(weighted, missed_by, ([0, 1], [0, 1])))
        self._tracks["x"] += motions @ moved
        self._speeds += moved / seconds

    def _correct(self, tracks: Ints, found: Tracks, seconds: float) -> None:
        """Take in what was found of those tracks."""
        seen = self._tracks[tracks]
        gain = seen["variance"] / (seen["variance"] + found["variance"])
        seen["x"] += gain * (found["x"] - seen["x"])
        seen["variance"] *= 1 - gain
        seen["confidence"] += _share(seconds, CONFIDENCE_S) * (found["confidence"] - seen["confidence"])
        kind = np.where(found["kind"] == 0, seen["kind"], found["kind"])
        seen["kind"] += _share(seconds, KIND_S) * (kind - seen["kind"])
        self._tracks["belief"] *= 1 - _share(seconds, BELIEF_S)
        seen["belief"] += _share(seconds, BELIEF_S) * (1 - seen["belief"])
        self._tracks[tracks] = seen

    def _drop_doubles(self, tracks: Ints) -> None:
        """Leave out those unseen that run where seen ones do: a boundary was found twice, or it jumped."""
        unseen = np.delete(np.arange(len(self._tracks)), tracks)
        ghosts, seen = self._tracks[unseen][:, None], self._tracks[tracks]
        common = _known(ghosts) & _known(seen)
        alongside = common.sum(-1) > 0.5 * _known(ghosts).sum(-1)
        double = alongside & (_mean(np.abs(ghosts["x"] - seen["x"]), common) < DOUBLE)
        for one in np.flatnonzero(double.any(0)):  # what was known of the one is known of the other
            ghost = unseen[np.where(double[:, one], ghosts["belief"][:, 0], 0).argmax()]
            if self._tracks["belief"][ghost] > seen["belief"][one]:
                for name in LEARNT:
                    self._tracks[name][tracks[one]] = self._tracks[name][ghost]
        self._tracks = np.delete(self._tracks, unseen[double.any(1)])

    def _renew(self, new: Tracks) -> None:
        """Take in new tracks, leave out those given up, and settle which are published, and as what kind."""
        new["variance"] = np.minimum(new["variance"], UNKNOWN)
        tracks = np.concatenate([self._tracks, new])
        tracks = tracks[(tracks["belief"] > DEAD) & _known(tracks).any(1)]
        tracks = tracks[np.argsort(-tracks["belief"], kind="stable")[:MOST]]
        tracks["shown"] = tracks["belief"] >= np.where(tracks["shown"], HIDDEN, SHOWN)
        firm = np.abs(tracks["kind"]) > FIRM
        tracks["shown_kind"] = np.where(firm, np.sign(tracks["kind"]), tracks["shown_kind"])
        self._tracks = tracks

    def _settle_sides(self, seconds: float) -> None:
        """Settle which of the boundaries that are published bound the ego lane."""
        shown = self._tracks[self._tracks["shown"]]
        slope, _, last = _ends(shown)
        height, width = self._shape
        near = np.where(last < REACHING * ROWS, np.nan, _reach(shown) - 0.5)
        sure = shown["confidence"] * shown["belief"]
        self._tracks["side"] = 0
        self._tracks["side"][self._tracks["shown"]] = self._ego.choose(
            near, slope * width * ROWS / height, sure, shown["side"], seconds
        )


def _sample(scene: Scene, paint: int) -> Tracks:
    """The boundaries that were found, as tracks; the variance of rows in which they are not is infinite."""
    height, width = scene.size
    found = np.zeros(len(scene.lanes), TRACK)
    rows = _rows(height)
    for one, lane in zip(found, scene.lanes, strict=True):
        x, y = lane.points[::-1].T.astype(np.float64)
        one["x"] = (np.interp(rows, y, x) + 0.5) / width
        one["variance"] = np.where((rows >= y[0]) & (rows <= y[-1]), 0.0, np.inf)
        one["confidence"] = lane.confidence
        one["kind"] = {"solid": 1, "dashed": -1}.get(lane.kind, 0)
    found["belief"] = SHOWN * np.minimum(found["confidence"] / SURE, 1)
    columns = found["x"][..., None] * width + np.array([-1, 0, 1]) * NOISE * width - 0.5
    columns = np.clip(np.rint(columns), 0, width - 1).astype(np.intp)
    labels = scene.coarse_labels
    there, across = (source_pixels(*sides) for sides in zip(labels.shape, scene.size, strict=True))
    painted = (labels[there[np.rint(rows).astype(np.intp)][:, None], across[columns]] == paint).any(-1)
    above = np.maximum.accumulate(np.where(painted, _ROW, -ROWS), 1)
    below = np.minimum.accumulate(np.where(painted, _ROW, 2 * ROWS)[:, ::-1], 1)[:, ::-1]
    away = np.minimum(_ROW - above, below - _ROW) / ROWS
    sure = np.maximum(found["confidence"], FAINTEST)[:, None]
    found["variance"] += np.minimum(NOISE**2 * (1 + (away / AWAY) ** 2) / sure, LOST**2 / 2)
    return found


def _publish(tracks: Tracks, height: int, width: int) -> tuple[Lane, ...]:
    """The boundaries of tracks in a frame of that size."""
    y = _rows(height)
    lanes = []
    for k in np.argsort(_reach(tracks), kind="stable").tolist():
        x = tracks["x"][k] * width - 0.5
        inside = np.flatnonzero(_known(tracks[k]) & (x >= -0.5) & (x <= width - 0.5))[::-1]
        if len(inside) > 1:
            points = np.stack([x, y], 1)[inside].astype(np.float32)
            kind = KINDS[int(tracks["shown_kind"][k])]
            lanes.append(
                Lane(points, kind, float(tracks["confidence"][k]), SIDES.get(float(tracks["side"][k])))
            )
    return tuple(lanes)


def _rows(height: int) -> Doubles:
    """y of the rows in which tracks are known."""
    return np.asarray((_ROW + 0.5) * height / ROWS - 0.5)


def _known(tracks: Tracks) -> Bools:
    return np.asarray(tracks["variance"] < LOST**2)


def _ends(tracks: Tracks) -> tuple[Doubles, Doubles, Ints]:
    """The slope of each track from end to end, and x and row of its nearest end."""
    known, each = _known(tracks), np.arange(len(tracks))
    far, near = known.argmax(1), ROWS - 1 - known[:, ::-1].argmax(1)
    x = tracks["x"][each, near]
    return (x - tracks["x"][each, far]) / np.maximum(near - far, 1), x, near


def _motions(tracks: Tracks) -> Doubles:
    """How far tracks move in each row when the camera turns, moves to the side and nods: (n, ROWS, 3).

    For a motion of one each: of a width at the bottom of the frame for the second, of a height for the third.
    """
    motions = np.empty((len(tracks), ROWS, 3))
    motions[..., 0], motions[..., 1] = 1, _DEPTH
    motions[..., 2] = ROWS * _ends(tracks)[0][:, None]
    return motions


def _reach(tracks: Tracks) -> Doubles:
    """x at which tracks would reach the bottom of the frame."""
    slope, x, near = _ends(tracks)
    return np.asarray(x + slope * (ROWS - 1 - near))


def _mean(values: Doubles, where: Bools) -> Doubles:
    """Mean over the last axis where that holds; infinite where it holds nowhere."""
    count = where.sum(-1)
    total = np.where(where, values, 0.0).sum(-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.inf)


def _share(seconds: float, of: float) -> float:
    """How much of a change is taken up in that time."""
    return float(-np.expm1(-seconds / of))
