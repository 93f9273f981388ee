"""The newest scene and health of each camera, written by the node's threads, read by the server's."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from perception.classes import ClassSet
from perception.frame import Frame
from perception.health.types import Health, NodeState
from perception.scene import Scene, Signal, Status
from perception.sinks.web.protocol import encode, health_text, now_ms

REMEMBERED = 90  # healths, for a new viewer's plots: a minute's, one each second and some at once
UNHEARD_MS = 5000  # a node that publishes no health for so long counts as hung
_OUTDATED = (Status.STALE, Status.NOT_READY, Status.NO_SIGNAL)


@dataclass(slots=True)
class Camera:
    """What is known of one camera. Each value is replaced as a whole: other threads see the old or the new.

    Attributes:
        newest: frame and scene.
        message: how many there were with this one, and the newest itself.
        health, reported_ms: the newest health, and when it was reported.
        past: the last healths as texts for viewers; `reports` counts all of them.
    """

    newest: tuple[Frame, Scene] | None = None
    message: tuple[int, bytes] = (0, b"")
    health: Health | None = None
    reported_ms: float = 0.0
    past: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    reports: int = 0

    def scene_now(self) -> tuple[Frame, Scene] | None:
        """The newest scene as of now, see `Scene.as_of`; None before the first."""
        if self.newest is None:
            return None
        frame, scene = self.newest
        return frame, self.as_of_now(scene)

    def as_of_now(self, scene: Scene) -> Scene:
        """One of its scenes as of now."""
        signal = Signal.OK if self.health is None else self.health.signal
        return scene.as_of(time.monotonic_ns(), signal)

    def hangs(self) -> str:
        """Why its node counts as dead; empty: it is alive, or has ended in order."""
        if self.health is None:
            return "its node has reported nothing yet"
        silent_ms = now_ms() - self.reported_ms
        if silent_ms <= UNHEARD_MS or self.health.state is NodeState.FINALIZED:
            return ""
        return (
            f"its node has reported nothing for {silent_ms / 1000:.0f} s; allowed are {UNHEARD_MS // 1000} s"
        )

    def not_ready(self) -> str:
        """Why no scenes are coming; empty: they are."""
        if why := self.hangs():
            return why
        assert self.health is not None
        if self.health.state is not NodeState.ACTIVE:
            return f"its node is {self.health.state}"
        if self.health.signal is Signal.NO_SIGNAL:
            return "no signal"
        if self.health.rate_out == 0:
            return "no scene was published in the last seconds"
        newest = self.scene_now()
        if newest is not None and newest[1].status in _OUTDATED:
            return f"its newest scene is {newest[1].status}, {newest[1].age_ms:.0f} ms old"
        return ""


class Cameras:
    """All cameras by name. `publish` and `report` run in one thread a camera, the rest in the server's.

    Args:
        on_news: called in those threads with the camera that has a new message, or with None where all
            viewers are concerned.
    """

    def __init__(self, classes: ClassSet, on_news: Callable[[str | None], None]) -> None:
        self.watched: frozenset[str] = frozenset()  # cameras that have viewers
        self._classes, self._on_news = classes, on_news
        self._lock = threading.Lock()
        self._all: dict[str, Camera] = {}

    def all(self) -> dict[str, Camera]:
        with self._lock:
            return dict(self._all)

    def publish(self, frame: Frame, scene: Scene) -> None:
        """Keep it, and encode it where somebody watches."""
        camera = self._camera(frame.camera)
        camera.newest = frame, scene
        if frame.camera in self.watched:
            camera.message = camera.message[0] + 1, encode(frame, scene, self._classes)
            self._on_news(frame.camera)

    def report(self, health: Health) -> None:
        camera = self._camera(health.camera)
        camera.health, camera.reported_ms = health, now_ms()
        camera.past.append(health_text(health.as_json()))
        camera.reports += 1
        self._on_news(None)

    def _camera(self, name: str) -> Camera:
        with self._lock:
            return self._all.setdefault(name, Camera())
