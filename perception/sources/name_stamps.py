"""Capture times that are written in the names of images, as data sets and recorders have them.

Names of one folder count as stamps together or not at all: they must differ in digits only, and one of their
numbers must be a time in each. A number of frames must never pass for a time, so a time is either

- since 1970: it lies between September 2001 and 2100, so that it has 13, 16 or 19 digits in ms, µs or ns, and
  is no date in digits (20180724112245), or
- by a clock that starts elsewhere (since boot, GPS): in ns or µs only, and its steps are a camera's periods,
  alike, and at least 4000 units; nobody numbers frames that way. In ms its steps are as small as those of
  every 33rd frame: no rule could tell, and `?rate=` is for those.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from statistics import median

_SINCE_1970_S = 10**9, 4_102_444_800
_UNITS = {"ms": 10**6, "µs": 10**3, "ns": 1}  # ns in each; whole seconds are too easily something else
_SHORTEST_NS, _LONGEST_NS = 2_000_000, 60_000_000_000  # of the usual time between two images
_SLOW_NS = (
    8_000_000_000  # slower is a camera of 125 a second or less, by a clock of a finer unit (12 days on)
)
_CAMERA_NS = 4_000_000, 2_000_000_000  # the same where the clock is unknown: 250 to 0.5 images a second
_ALIKE = 0.8  # share of the steps that are between half and twice the usual one; the others are gaps
_FEW, _MANY = 3, 20  # images: fewer show no period; so many show that steps are alike by no chance
_RUNNING = 100  # periods: a clock that few images show has run for longer before; ids are spread from 0
_DATE = re.compile(r"(199\d|20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_PARTS = re.compile(r"[0-9]{9,10}\.[0-9]{1,9}")
_NUMBER = re.compile(r"[0-9]+")


@dataclass(frozen=True, slots=True)
class NameStamps:
    """Of each image, in ns.

    Attributes:
        unit: as they are written.
        since_1970: they count from then.
    """

    ns: tuple[int, ...]
    unit: str
    since_1970: bool

    @property
    def rate(self) -> float:
        """The usual one, per second."""
        return usual_rate(self.ns)

    def __str__(self) -> str:
        return f"{self.unit} since 1970" if self.since_1970 else f"{self.unit}, by a clock of their own"


def skeleton(stem: str) -> str:
    """The name without its numbers: those of one series have the same."""
    return _NUMBER.sub("0", stem)


def in_time(paths: Sequence[Path]) -> Sequence[Path]:
    """In the order of their names, but 12.5 after 12.25 where these are seconds since 1970."""
    found = [_PARTS.fullmatch(path.stem) for path in paths]
    if not all(found):
        return paths
    return sorted(paths, key=lambda path: Decimal(path.stem))


def name_stamps(stems: Sequence[str]) -> NameStamps | None:
    """The times that these names carry, in the order of the drive; None: not all of them carry any."""
    if len(stems) < 2 or len(set(map(skeleton, stems))) > 1:
        return None
    gaps = _NUMBER.split(stems[0])
    columns = list(zip(*(_NUMBER.findall(stem) for stem in stems), strict=True))
    # The last number first: what comes before it is the drive, the date or the camera.
    for index in reversed(range(len(columns))):
        if len(gaps[index]) == 1 and index:
            found = _seconds(columns[index - 1], gaps[index], columns[index])
            if found:
                return found
        if found := _whole(columns[index]):
            return found
    return None


def _seconds(whole: Sequence[str], point: str, parts: Sequence[str]) -> NameStamps | None:
    """Seconds and their parts: 1305031102.175304, or 1305031102_175304000 with all nine digits."""
    widths = {len(part) for part in parts}
    if not (point == "." and max(widths) <= 9) and not (point in "_-" and widths == {9}):
        return None
    ns = [int(seconds) * 10**9 + int(part.ljust(9, "0")) for seconds, part in zip(whole, parts, strict=True)]
    if _since_1970(ns, 1, whole):
        return NameStamps(tuple(ns), "s", True)
    fine = point == "." and min(widths) >= 6
    return NameStamps(tuple(ns), "s", False) if fine and _by_a_camera(ns) else None


def _whole(column: Sequence[str]) -> NameStamps | None:
    numbers = [int(text) for text in column]
    for unit, scale in _UNITS.items():
        ns = [number * scale for number in numbers]
        if _since_1970(ns, scale, column):
            finer = [stamp // 1000 for stamp in ns]
            if scale == 1 or _usual_step(ns) <= _SLOW_NS or not _by_a_camera(finer):
                return NameStamps(tuple(ns), unit, True)
    for unit in ("ns", "µs"):
        ns = [number * _UNITS[unit] for number in numbers]
        if _by_a_camera(ns):
            return NameStamps(tuple(ns), unit, False)
    return None


def _since_1970(ns: Sequence[int], scale: int, texts: Sequence[str]) -> bool:
    first, last = (seconds * 10**9 for seconds in _SINCE_1970_S)
    if not all(first <= stamp < last for stamp in ns) or all(_DATE.match(text) for text in texts):
        return False
    return _rises(ns) and max(_SHORTEST_NS, 2 * scale) <= _usual_step(ns) <= _LONGEST_NS


def _by_a_camera(ns: Sequence[int]) -> bool:
    if len(ns) < _FEW or not _rises(ns):
        return False
    usual = _usual_step(ns)
    alike = sum(usual / 2 <= step <= 2 * usual for step in _steps(ns)) >= _ALIKE * (len(ns) - 1)
    shown = len(ns) >= _MANY or min(ns) >= _RUNNING * usual
    return alike and shown and _CAMERA_NS[0] <= usual <= _CAMERA_NS[1]


def _rises(ns: Sequence[int]) -> bool:
    """Where it steps back, another drive begins; few of them do, and no two images have one time."""
    steps = _steps(ns)
    return 0 not in steps and sum(step > 0 for step in steps) >= _ALIKE * len(steps)


def usual_rate(ns: Sequence[int]) -> float:
    """Images per second, of times that rise somewhere."""
    return 1e9 / _usual_step(ns)


def _usual_step(ns: Sequence[int]) -> float:
    return median(step for step in _steps(ns) if step > 0)


def _steps(ns: Sequence[int]) -> list[int]:
    return [later - earlier for earlier, later in pairwise(ns)]
