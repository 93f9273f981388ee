"""When the images of a folder were taken: by their names, by a list, or at a rate."""

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from perception.sources.listed_stamps import listed_stamps
from perception.sources.name_stamps import name_stamps, skeleton, usual_rate
from perception.sources.rates import DEFAULT
from perception.sources.splice import Timeline, spliced


class ImageClock:
    """The stamps of images in the order of the drive.

    Args:
        stems: of their names.
        rate: images per second; None: by their own times, else 25.

    Attributes:
        rate: images per second, the usual one.
        stamps: `Frame.stamp_ns`, `wall_ns` and `recording` of each.
        notes: which clock counts, where it is not simply the rate.
    """

    def __init__(self, folder: Path, stems: Sequence[str], rate: float | None) -> None:
        self.notes: list[str] = []
        ns, where, since_1970 = _own_times(folder, stems)
        if ns and rate is None:
            self.rate = usual_rate(ns)
            self.stamps = self._along(ns, since_1970)
            self.notes.insert(0, f"stamped by {where}")
            return
        self.rate = rate or DEFAULT
        self.stamps = [(round(index * 1e9 / self.rate), 0, 0) for index in range(len(stems))]
        if ns:
            self.notes.append(f"stamped at the rate of {self.rate:g} a second, not by {where}")
        elif rate is None and _some_named(stems):
            self.notes.append(
                f"only some names carry times; taken for {self.rate:g} a second, ?rate= sets it"
            )

    def _along(self, ns: Sequence[int], since_1970: bool) -> list[tuple[int, int, int]]:
        timeline, stamps = Timeline(self.rate), list[tuple[int, int, int]]()
        for sequence, one in enumerate(ns):
            stamp_ns = timeline.stamp_ns(Fraction(one, 10**9), sequence)
            if stamps and timeline.recording > stamps[-1][2]:
                self.notes.append(spliced(sequence))
            stamps.append((stamp_ns, one if since_1970 else 0, timeline.recording))
        return stamps


def _own_times(folder: Path, stems: Sequence[str]) -> tuple[Sequence[int], str, bool]:
    """In ns, where they stand, and whether they count from 1970; none: ()."""
    if named := name_stamps(stems):
        return named.ns, f"the times in the files' names ({named})", named.since_1970
    if listed := listed_stamps(folder, stems):
        return listed[1], f"the times in {listed[0]}", False
    return (), "", False


def _some_named(stems: Sequence[str]) -> bool:
    """Whether most names, all of one series, carry times, and others do not."""
    series, count = Counter(map(skeleton, stems)).most_common(1)[0]
    alike = [stem for stem in stems if skeleton(stem) == series]
    return len(stems) > count > len(stems) / 2 and name_stamps(alike) is not None
