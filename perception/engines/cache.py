"""What is kept between runs: the choice of an engine, and engines that take minutes to build."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache folder for this package; it need not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perception"
