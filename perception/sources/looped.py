"""A recording that begins again at its end, as a drive for a demonstration or a test of endurance."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

from perception.frame import Drop, Frame
from perception.sources.base import Source
from perception.types import NS_PER_S


class LoopedSource:
    """Opens a recorded source again each time that it ends; one that gives nothing ends.

    Stamps, wall times and sequence numbers go on from one round to the next, and frames of later rounds have
    stems of their own, such as 0007-2. Each round is another `Frame.recording`, so that nothing is tracked
    across the seam.
    """

    def __init__(self, opener: Callable[[], Source]) -> None:
        self._opener, self._source = opener, opener()
        self.uri, self.rate, self.notes = self._source.uri, self._source.rate, self._source.notes
        self.length: int | None = None
        self.live = False

    def __iter__(self) -> Iterator[Frame | Drop]:
        sequence = recording = stamp_ns = 0
        origin_ns: int | None = None  # the stamp with which the first round began
        for number in count(1):
            first, last_ns, latest = sequence, stamp_ns, recording
            begin_ns: int | None = None  # of a part of a recording, where it begins
            for item in self._source:
                sequence = first + item.sequence + 1
                if isinstance(item, Drop):
                    yield replace(item, sequence=first + item.sequence)
                    continue
                begin_ns = item.stamp_ns if begin_ns is None else begin_ns
                origin_ns = begin_ns if origin_ns is None else origin_ns
                stamp_ns, latest = last_ns + item.stamp_ns - begin_ns, recording + item.recording
                later_ns = stamp_ns + origin_ns - item.stamp_ns
                yield replace(
                    item,
                    sequence=first + item.sequence,
                    stamp_ns=stamp_ns,
                    wall_ns=item.wall_ns and item.wall_ns + later_ns,
                    stem=f"{item.stem}-{number}" if item.stem and number > 1 else item.stem,
                    recording=latest,
                )
            if sequence == first:
                return
            stamp_ns += round(NS_PER_S / self.rate)
            recording = latest + 1
            self._source.close()
            self._source = self._opener()

    def close(self) -> None:
        self._source.close()
