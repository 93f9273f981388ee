"""Names of the segments that what is recorded for long is cut into."""

import re
from pathlib import Path

_DATED = r"-[0-9]{8}T[0-9]{6}Z-([0-9]{4,})"


def numbered(path: Path) -> dict[int, Path]:
    """The dated segments of this file that are there, by their numbers, the oldest first."""
    pattern = re.compile(re.escape(path.stem) + _DATED + re.escape(path.suffix))
    names = [one.name for one in path.parent.iterdir()] if path.parent.is_dir() else []
    found = {int(match[1]): path.with_name(match[0]) for match in map(pattern.fullmatch, names) if match}
    return dict(sorted(found.items()))
