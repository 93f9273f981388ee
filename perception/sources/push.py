"""Frames that the embedding program hands in."""

import math
import time
from collections.abc import Iterator
from threading import Condition

import numpy as np

from perception.errors import ConfigError
from perception.frame import Drop, DropReason, Frame
from perception.health.types import Link, LinkState
from perception.sources.base import Capture, Source, SourceKind, SourceUri
from perception.types import Image

SILENCE_S, SILENT_PERIODS = 1.0, 4  # without a frame, the longer of both: the program has lost its camera
_AHEAD_NS = 50_000_000  # a stamp may be later than now by that much, for clocks that are read in two places


class PushSource:
    """A camera whose driver is the embedding program: it calls `push`, and `end` after the last frame.

    The newest frame alone waits to be read; one that is overwritten before is dropped as superseded. Images
    are not copied: the program must not write into one that it has handed in.
    """

    def __init__(self, rate: float = 30.0, camera: str = "front") -> None:
        if not isinstance(rate, int | float | np.number) or not 0 < rate < math.inf:
            raise ConfigError(f"push: rate is {rate!r}, give frames a second, above 0")
        self.uri = "push:"
        self.rate = rate
        self.length: int | None = None
        self.notes: list[str] = []
        self.live = True
        self._camera = camera
        self._changed = Condition()
        self._newest: Frame | None = None
        self._pushed = self._latest_ns = 0
        self._pushed_at = 0.0
        self._following = 0  # the number of the first frame that was not read yet
        self._begun = self._ended = self._stopped = False

    def push(self, image: Image, stamp_ns: int | None = None, wall_ns: int | None = None) -> int:
        """Hand in an image, uint8 (height, width, 3), BGR; its sequence number. Once stopped, to no effect.

        Args:
            stamp_ns: when it was captured, by time.monotonic_ns; None: now.
            wall_ns: the same since the Unix epoch; None: worked out.

        Raises:
            ConfigError: no such image; a stamp in the future, or before the last one's; `end` was called.
        """
        now = time.monotonic_ns()
        stamp_ns = now if stamp_ns is None else stamp_ns
        for name, value in (("stamp_ns", stamp_ns), ("wall_ns", wall_ns)):
            if not isinstance(value, int | np.integer | None):
                raise ConfigError(f"push: {name} is {value!r}, give whole nanoseconds")
        shape: tuple[int, ...] = getattr(image, "shape", ())
        kind = getattr(image, "dtype", type(image).__name__)
        if kind != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise ConfigError(f"push: image is {kind} {shape}; it must be uint8 (height, width, 3), BGR")
        if stamp_ns > now + _AHEAD_NS:
            raise ConfigError(
                f"push: stamp_ns is {(stamp_ns - now) / 1e6:.0f} ms in the future; take time.monotonic_ns()"
            )
        with self._changed:
            if self._ended:
                raise ConfigError("push: the source has been ended")
            if stamp_ns < 0:
                raise ConfigError(f"push: stamp_ns is {stamp_ns}; take time.monotonic_ns()")
            if stamp_ns < self._latest_ns:
                raise ConfigError(
                    f"push: stamp_ns is {(self._latest_ns - stamp_ns) / 1e6:.0f} ms before the last frame's; "
                    "frames are handed in in order of capture"
                )
            self._pushed_at = now / 1e9
            if self._stopped:
                return self._pushed
            wall_ns = time.time_ns() - (now - stamp_ns) if wall_ns is None else wall_ns
            self._newest = Frame(
                image, stamp_ns, wall_ns, self._pushed, camera=self._camera, host_ns=min(stamp_ns, now)
            )
            self._latest_ns = stamp_ns
            self._pushed += 1
            self._changed.notify_all()
            return self._pushed - 1

    def end(self) -> None:
        """There are no more frames; the last one is still read."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        self.stop()

    @property
    def link(self) -> Link:
        if self._ended or self._stopped:
            return Link(LinkState.ENDED, connections=1)
        if not self._pushed:
            return Link(LinkState.CONNECTING, "no frame has been handed in yet")
        silent_s = time.monotonic() - self._pushed_at
        if silent_s > max(SILENCE_S, SILENT_PERIODS / self.rate):
            return Link(LinkState.LOST, f"no frame has been handed in for {silent_s:.0f} s", connections=1)
        return Link(LinkState.STREAMING, connections=1)

    def __iter__(self) -> Iterator[Frame | Drop]:
        if self._begun and (self._ended or self._stopped):
            raise ConfigError("push: this source has been read to its end; give a new node a new PushSource")
        self._begun = True
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._newest or self._ended or self._stopped)
                frame, self._newest = self._newest, None
            if frame is None or self._stopped:
                return
            missed, self._following = range(self._following, frame.sequence), frame.sequence + 1
            for sequence in missed:
                yield Drop(sequence, DropReason.SUPERSEDED, f"push: frame {sequence} was overwritten")
            yield frame


def _refuse(uri: SourceUri, how: Capture) -> Source:
    raise ConfigError("source push: its frames are handed in by the embedding program, to a PushSource")


KIND = SourceKind("", _refuse)
