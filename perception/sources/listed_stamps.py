"""Capture times that KITTI lists in a file above the folder of images, one line for each frame's number."""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path

_DATE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\.(\d{9})", re.ASCII)


def listed_stamps(folder: Path, stems: Sequence[str]) -> tuple[Path, list[int]] | None:
    """The list, and the time of each image in ns; None: there is none that has all of these frames' numbers.

    Raw recordings have data/0000000000.png below timestamps.txt (local dates), odometry image_2/000000.png
    below times.txt (seconds).
    """
    if not all(re.fullmatch(r"\d{6}|\d{10}", stem, re.ASCII) for stem in stems):
        return None
    folder = folder.resolve()
    for path, parse in ((folder.parent / "timestamps.txt", _date), (folder.parent / "times.txt", _seconds)):
        try:
            times = [parse(line.strip()) for line in path.read_text("ascii").splitlines()]
            stamps = [times[int(stem)] for stem in stems]
        except (OSError, ValueError, IndexError, InvalidOperation):
            continue  # not KITTI's, or another folder's
        if len(stamps) > 1 and all(earlier < later for earlier, later in pairwise(stamps)):
            return path, stamps
    return None


def _date(line: str) -> int:
    found = _DATE.fullmatch(line)
    if found is None:
        raise ValueError(line)
    # The zone is not said, so that these are differences only.
    whole = datetime.fromisoformat(found[1]) - datetime(1970, 1, 1)
    return (whole.days * 86_400 + whole.seconds) * 10**9 + int(found[2])


def _seconds(line: str) -> int:
    return round(Decimal(line) * 10**9)
