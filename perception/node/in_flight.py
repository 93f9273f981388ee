"""The frames on their way through the node: which are taken in, which give way, and which comes next."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Semaphore

from perception.frame import Drop, DropReason, Frame
from perception.health.latency import Stopwatch
from perception.node.accounting import Accounting
from perception.node.worker_pool import WorkerPool
from perception.scene import Scene
from perception.types import Policy


@dataclass(slots=True, eq=False)
class InFlightFrame:
    """A frame on its way, with those right before it, the times of its stages, and the scene to come.

    Where the freshest one counts, a fresher frame takes its place, as long as no worker has `begun` it.
    """

    frame: Frame
    earlier: tuple[Frame, ...]
    stopwatch: Stopwatch
    begun: bool = False
    scene: Future[Scene] = field(init=False)

    @property
    def perceived(self) -> bool:
        return self.scene.done() and self.scene.exception() is None


class FramesInFlight:
    """The frames between capture and sinks, in the order of their capture; from any thread.

    Where every frame counts, who captures waits for room. Where the freshest one does, frames give way to it:
    one that waits for a worker to the next, and one that waits for the sinks once as many fresher ones as
    there are workers wait too.

    Args:
        perceive: gives a frame's scene; called by the workers.

    Attributes:
        waits: whether who captures waits for room just now, and reads nothing.
    """

    def __init__(
        self,
        workers: WorkerPool,
        perceive: Callable[[InFlightFrame], Scene],
        policy: Policy,
        accounting: Accounting,
    ) -> None:
        self._workers, self._perceive, self._accounting = workers, perceive, accounting
        self._freshest = policy is Policy.FRESHEST
        self._frames: deque[InFlightFrame] = deque()
        self._changed = Condition()  # guards the frames, and signals a scene or the end
        # Bounds the frames, and so the memory. The freshest fill it so: one for each worker, one perceived
        # for each, the one that is published, and one that waits for a worker.
        self._room = Semaphore(2 * workers.count + (2 if self._freshest else 0))
        self._ended = self.waits = False
        self._failure: Exception | None = None

    def take_in(self, new: InFlightFrame) -> None:
        """Hand a frame to the workers once there is room; where the freshest counts at once, or drop it."""
        if not self._freshest:
            self.waits = True
            self._room.acquire()
            self.waits = False
        elif self._replaces_newest(new):
            return
        elif not self._room.acquire(blocking=False):
            self._supersede(new)
            return
        new.scene = self._workers.submit(self._begin, new, owner=self)
        with self._changed:
            self._frames.append(new)
        new.scene.add_done_callback(lambda scene: self._notify())

    def _begin(self, one: InFlightFrame) -> Scene:
        """In a worker's thread: from here on no other frame takes its place."""
        with self._changed:
            one.begun = True
        return self._perceive(one)

    def release(self) -> None:
        """There is room for one more: a frame was published or dropped, or none will be."""
        self._room.release()

    def end(self) -> None:
        """No more frames come."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def abort(self, failure: Exception) -> None:
        """End without the frames that the workers have: they may never come. The first failure counts."""
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify()

    def arrivals(self) -> Iterator[InFlightFrame]:
        """Frames whose scenes are there, in the order of their capture, up to the `end`.

        Raises:
            Exception: what `abort` was given.
        """
        while True:
            with self._changed:
                self._changed.wait_for(self._may_go_on)
                if self._failure is not None:
                    raise self._failure
                if not self._frames:
                    return
                if self._freshest:
                    self._keep_freshest()
                one = self._frames.popleft()
            yield one

    def _may_go_on(self) -> bool:
        if self._failure is not None:
            return True
        return self._frames[0].scene.done() if self._frames else self._ended

    def _replaces_newest(self, new: InFlightFrame) -> bool:
        """Whether the newest frame still waited for a worker, and the new one has its place now."""
        with self._changed:
            self._keep_freshest()
            if not self._frames or self._frames[-1].begun:
                return False
            newest = self._frames[-1]
            self._supersede(newest)
            newest.frame, newest.earlier, newest.stopwatch = new.frame, new.earlier, new.stopwatch
            return True

    def _keep_freshest(self) -> None:
        """Of the scenes that wait for the sinks, drop all but the freshest, one for each worker."""
        perceived = [one for one in self._frames if one.perceived]
        for one in perceived[: -self._workers.count]:
            self._frames.remove(one)
            self._supersede(one)
            self.release()

    def _supersede(self, one: InFlightFrame) -> None:
        sequence = one.frame.sequence
        self._accounting.drop(
            Drop(sequence, DropReason.SUPERSEDED, f"frame {sequence}: superseded by a fresher one")
        )

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify()
