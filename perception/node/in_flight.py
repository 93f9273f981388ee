"""The frames on their way through the node: which are taken in, which give way, and which comes next."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Condition, Semaphore

from perception.frame import Drop, DropReason, Frame
from perception.node.accounting import Accounting
from perception.scene import Scene
from perception.types import Policy


@dataclass(slots=True, eq=False)
class InFlightFrame:
    """A frame on its way, with those right before it, and the scene to come.

    Its age counts from `host_ns`, by the host's monotonic clock. Where the freshest one counts, a fresher
    frame takes its place, as long as no worker has `begun` it.
    """

    frame: Frame
    earlier: tuple[Frame, ...]
    host_ns: int
    timings_ms: dict[str, float]
    begun: bool = False
    scene: Future[Scene] = field(init=False)

    @property
    def perceived(self) -> bool:
        return self.scene.done() and self.scene.exception() is None


class FramesInFlight:
    """The frames between the reader and the sinks, in the order of their capture; from any thread.

    Where every frame counts, the reader waits for room. Where the freshest one does, frames give way to it:
    one that waits for a worker to the next, and one that waits for the sinks once as many fresher ones as
    `workers` wait too.
    """

    def __init__(self, workers: int, policy: Policy, ledger: Accounting) -> None:
        self._workers, self._ledger = workers, ledger
        self._freshest = policy is Policy.FRESHEST
        self._frames: deque[InFlightFrame] = deque()
        self._changed = Condition()  # guards the frames, and tells of a scene or of the end
        # Bounds the frames, and so the memory. The freshest fill it so: one for each worker, one perceived
        # for each, the one that is published, and one that waits for a worker.
        self._room = Semaphore(2 * workers + (2 if self._freshest else 0))
        self._ended = self._broken_off = False

    def take_in(self, new: InFlightFrame, submit: Callable[[InFlightFrame], Future[Scene]]) -> None:
        """Hand a frame to the workers once there is room; where the freshest counts at once, or drop it."""
        if not self._freshest:
            self._room.acquire()
        elif self._replaces_newest(new):
            return
        elif not self._room.acquire(blocking=False):
            self._supersede(new)
            return
        new.scene = submit(new)
        with self._changed:
            self._frames.append(new)
        new.scene.add_done_callback(lambda scene: self._tell())

    def begin(self, in_hand: InFlightFrame) -> None:
        """A worker has it now: no other frame takes its place."""
        with self._changed:
            in_hand.begun = True

    def release(self) -> None:
        """There is room for one more: a frame was published or dropped, or none will be."""
        self._room.release()

    def end(self, at_once: bool = False) -> None:
        """No more frames come; `at_once`: nor are those waited for that are in the workers' hands."""
        with self._changed:
            self._ended = True
            self._broken_off = self._broken_off or at_once
            self._changed.notify()

    def arrivals(self) -> Iterator[InFlightFrame]:
        """Frames whose scenes are there, in the order of their capture, up to the `end`."""
        while True:
            with self._changed:
                self._changed.wait_for(self._may_go_on)
                if self._broken_off or not self._frames:
                    return
                if self._freshest:
                    self._keep_freshest()
                in_hand = self._frames.popleft()
            yield in_hand

    def _may_go_on(self) -> bool:
        if self._broken_off or not self._frames:
            return self._ended
        return self._frames[0].scene.done()

    def _replaces_newest(self, new: InFlightFrame) -> bool:
        """Whether the newest frame still waited for a worker, and the new one has its place now."""
        with self._changed:
            self._keep_freshest()
            if not self._frames or self._frames[-1].begun:
                return False
            newest = self._frames[-1]
            self._supersede(newest)
            newest.frame, newest.earlier = new.frame, new.earlier
            newest.host_ns, newest.timings_ms = new.host_ns, new.timings_ms
            return True

    def _keep_freshest(self) -> None:
        """Of the scenes that wait for the sinks, drop all but the freshest, one for each worker."""
        perceived = [in_hand for in_hand in self._frames if in_hand.perceived]
        for in_hand in perceived[: -self._workers]:
            self._frames.remove(in_hand)
            self._supersede(in_hand)
            self.release()

    def _supersede(self, in_hand: InFlightFrame) -> None:
        sequence = in_hand.frame.sequence
        self._ledger.drop(Drop(sequence, DropReason.SUPERSEDED, f"frame {sequence}: not kept up with"))

    def _tell(self) -> None:
        with self._changed:
            self._changed.notify()
