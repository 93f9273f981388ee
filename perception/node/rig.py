"""Several cameras in one node: a loop for each; they share the engine, its threads, and the live page."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from threading import Lock

import numpy as np
import numpy.typing as npt

from perception.engines.background import call_in_background
from perception.errors import PerceptionError, in_words
from perception.frame import Frame
from perception.health.types import Health
from perception.node.node import Node
from perception.scene import Scene
from perception.sinks.base import Sink

LOG = logging.getLogger("perception.rig")


class Rig:
    """Runs nodes beside each other. One that breaks leaves the others running.

    Attributes:
        failures: why nodes broke, by their cameras.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)
        self.failures: dict[str, PerceptionError] = {}

    def stop(self) -> None:
        """As of each node."""
        for node in self.nodes:
            node.stop()

    def run(self) -> None:
        """Until all have ended.

        Raises:
            PerceptionError: what a single node raised; of several, which ones broke. Why was logged at once,
                as the others may run for long; so was what nobody foresaw, with where.
        """
        if len(self.nodes) == 1:
            self._run(self.nodes[0])
            return

        def run(node: Node) -> None:
            try:
                self._run(node)
            except PerceptionError as error:
                LOG.error("%s: %s", node.camera, error, extra=_told(node))  # noqa: TRY400

        calls = [call_in_background(partial(run, node), node.camera) for node in self.nodes]
        for call in calls:
            call.future.result()
        if self.failures:
            broken = ", ".join(self.failures)
            raise PerceptionError(
                f"{len(self.failures)} of {len(self.nodes)} cameras broke: {broken}; the log says why"
            )

    def _run(self, node: Node) -> None:
        try:
            _run(node)
        except PerceptionError as error:
            self.failures[node.camera] = error
            raise


def _run(node: Node) -> None:
    try:
        node.run()
    except PerceptionError:
        raise
    except Exception as error:
        LOG.exception("%s: broke by a fault of this program", node.camera, extra=_told(node))
        what = f"ended by a fault of this program ({in_words(error)}); the log says where"
        raise PerceptionError(f"{node.camera}: {what}") from error


def _told(node: Node) -> dict[str, str]:
    return {"event": "camera_broken", "camera": node.camera}


class SharedSink:
    """One sink that several nodes write to, such as the live page; open as long as one has it open."""

    def __init__(self, opener: Callable[[], Sink]) -> None:
        self._opener = opener
        self._sink: Sink | None = None
        self._views = 0
        self._lock = Lock()

    def open(self) -> Sink:
        """The sink, for one more node, which closes it as if it were its own.

        Raises:
            PerceptionError: it cannot be opened.
        """
        with self._lock:
            self._sink = self._sink or self._opener()
            self._views += 1
            return _View(self._sink, self._release)

    def _release(self) -> None:
        with self._lock:
            self._views -= 1
            if not self._views and self._sink is not None:
                sink, self._sink = self._sink, None
                sink.close()


class _View:
    """One node's hold of a shared sink."""

    def __init__(self, sink: Sink, release: Callable[[], None]) -> None:
        self.uri, self.wants_overlay = sink.uri, sink.wants_overlay
        self._sink, self._release = sink, release
        self._closed = False

    def write(self, frame: Frame, scene: Scene, overlay: npt.NDArray[np.uint8]) -> str | None:
        return self._sink.write(frame, scene, overlay)

    def write_health(self, health: Health) -> None:
        self._sink.write_health(health)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._release()
