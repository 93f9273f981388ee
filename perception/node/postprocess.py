"""The last stage before scenes leave, in the order of the frames: checks, tracks, age, trust, overlay."""

import time
from dataclasses import replace

from perception.frame import Frame
from perception.health.latency import Stages
from perception.health.rates import Rate
from perception.health.types import Finding, Level
from perception.node.in_flight import InFlightFrame
from perception.overlay import SCENE, StatusLine, draw
from perception.perceiver import Perceiver
from perception.quality.image import ImageChecks
from perception.scene import Scene, Status
from perception.tracking.lanes import LaneTracker
from perception.tracking.objects import Tracker
from perception.types import Image


class Postprocess:
    """What is known of a camera's scenes from frame to frame; one thread uses it.

    Args:
        max_age_ms: older scenes are stale; None: none is.
        tracks: give instances ids that stay with them from frame to frame, and steady the lanes.
    """

    def __init__(
        self, perceiver: Perceiver, stages: Stages, *, max_age_ms: float | None, tracks: bool
    ) -> None:
        self._perceiver, self._stages = perceiver, stages
        self._max_age_ms, self._tracks = max_age_ms, tracks
        self._checks, self._rate = ImageChecks(classes=perceiver.classes), Rate(nominal=1.0)
        self._trackers = self._new_trackers()  # now: the first one loads a library
        self._shape: tuple[int, ...] | None = None

    def finish(self, in_hand: InFlightFrame) -> tuple[Scene, list[Finding]]:
        """The scene as it is published now, and what the image checks find in its frame."""
        scene = in_hand.scene.result()
        with self._stages.measure("check", scene.timings_ms):
            findings = self._checks.check(in_hand.frame, scene)
        if self._tracks:
            scene = self._track(scene)
        reasons = tuple(one.reason for one in findings if one.level is Level.ERROR)
        return self.aged(replace(scene, reasons=reasons), in_hand.host_ns), findings

    def aged(self, scene: Scene, host_ns: int) -> Scene:
        """The scene with the age and the status that it has now."""
        age_ms = (time.monotonic_ns() - host_ns) / 1e6
        status = scene.status
        if status in {Status.OK, Status.UNRELIABLE, Status.STALE}:
            late = self._max_age_ms is not None and age_ms > self._max_age_ms
            status = Status.STALE if late else Status.UNRELIABLE if scene.reasons else Status.OK
        return replace(scene, age_ms=age_ms, status=status)

    def overlay(self, frame: Frame, scene: Scene) -> Image:
        """uint8 (h, w, 3), BGR: the scene drawn on its frame, below a line that says how far to trust it."""
        doing = self._perceiver.waits_for if scene.status is Status.NOT_READY else "; ".join(scene.reasons)
        now_ns = time.monotonic_ns()
        self._rate.arrived(now_ns)
        line = StatusLine(self._rate.per_second(now_ns) or None, self._perceiver.engine.name, doing)
        with self._stages.measure("draw", scene.timings_ms):
            return draw(frame, scene, self._perceiver.classes, (*SCENE, line))

    def _track(self, scene: Scene) -> Scene:
        if self._shape not in {None, scene.labels.shape}:  # nothing is followed from one size to another
            self._trackers = self._new_trackers()
        self._shape = scene.labels.shape
        with self._stages.measure("track", scene.timings_ms):
            for tracker in self._trackers:
                scene = tracker.update(scene)
        return scene

    def _new_trackers(self) -> tuple[Tracker, LaneTracker]:
        return Tracker(), LaneTracker(self._perceiver.classes)
