"""The last stage before scenes leave, in the order of the frames: tracks, checks, metres, trust, overlay."""

import time

import numpy as np

from perception.frame import Frame
from perception.geometry.calibration_file import Calibration
from perception.geometry.mounted import mounted
from perception.geometry.mounting import Locators
from perception.health.latency import Stopwatch
from perception.health.monitor import Monitor
from perception.health.types import Finding, Level
from perception.overlay import SCENE, StatusLine, draw_planes
from perception.perceiver import Perceiver
from perception.pixels import Pixels
from perception.quality.image import ImageChecks
from perception.scene import Scene, Status
from perception.sinks.base import Publication
from perception.tracking.closing import ClosingTracker
from perception.tracking.labels import LabelTracker
from perception.tracking.lanes import LaneTracker
from perception.tracking.objects import Tracker

NO_OVERLAY = np.empty((0, 0, 3), np.uint8)


class Postprocess:
    """What is known of a camera's scenes from frame to frame; one thread uses it.

    Args:
        max_age_ms: older scenes are stale; None: none is.
        tracks: give instances ids that stay with them from frame to frame, and steady labels and lanes.
        calibration: of the camera; None: what its frames know.
        overlay: whether any sink wants it.
        details: write the rate, the engine and the times of the stages on it.
    """

    def __init__(
        self,
        perceiver: Perceiver,
        monitor: Monitor,
        *,
        max_age_ms: float | None,
        tracks: bool,
        calibration: Calibration | None,
        overlay: bool,
        details: bool = False,
    ) -> None:
        self._perceiver, self._monitor = perceiver, monitor
        self._max_age_ms, self._tracks = max_age_ms, tracks
        self._overlay, self._details = overlay, details
        self._checks = ImageChecks(classes=perceiver.classes)
        self._labels = LabelTracker(perceiver.classes)
        self._trackers = Tracker(), LaneTracker(perceiver.classes), ClosingTracker()
        self._locators = Locators(calibration, perceiver.classes)

    def finish(self, frame: Frame, scene: Scene, stopwatch: Stopwatch) -> tuple[Publication, list[Finding]]:
        """What is published of the frame now, and what the image checks find in it."""
        if self._tracks:
            with stopwatch.measure("track"):
                scene = self._labels.update(scene, frame)
                for tracker in self._trackers:
                    scene = tracker.update(scene)
        scene = scene.evolve(logits=None)  # sinks hold scenes, and nobody reads these 2 MB any more
        with stopwatch.measure("check"):  # of the labels that are published
            findings = self._checks.check(frame, scene)
        known, moved = self._locators.of(frame), None
        if known.calibration is not None:
            frame = mounted(frame, known.calibration, metres=known.locator is not None)
        if known.locator and known.watch:
            with stopwatch.measure("locate"):
                scene = known.locator.update(scene)
                moved = known.watch.update(scene)
        findings += [one for one in (known.finding, moved) if one is not None]
        if why := self._perceiver.ego_misfit(frame):
            findings.append(Finding("ego_mask", Level.WARN, f"no ego mask: {why}"))
        reasons = tuple(one.reason for one in findings if one.level is Level.ERROR)
        scene = scene.evolve(reasons=reasons, max_age_ms=self._max_age_ms).as_of(time.monotonic_ns())
        overlay: Pixels = NO_OVERLAY
        if self._overlay:
            with stopwatch.measure("draw"):
                overlay = self._draw(frame, scene.evolve(timings_ms=stopwatch.timings_ms))
        return Publication(frame, scene.evolve(timings_ms=dict(stopwatch.timings_ms)), overlay), findings

    def _draw(self, frame: Frame, scene: Scene) -> Pixels:
        """The scene drawn on its frame, below a line that says how far to trust it."""
        doing = self._perceiver.waits_for if scene.status is Status.NOT_READY else "; ".join(scene.reasons)
        rate = self._monitor.rate_out(time.monotonic_ns())
        line = StatusLine(rate or None, self._perceiver.engine.name, doing, self._details)
        return draw_planes(frame, scene, self._perceiver.classes, (*SCENE, line))
