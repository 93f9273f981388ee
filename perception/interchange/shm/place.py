"""Where the sockets of rings lie, by their names."""

import os
import re
import stat
from pathlib import Path

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_SYSTEM, _LAST = Path("/run/perception"), Path("/tmp")


def check_name(name: str) -> str:
    """The name of a ring. Raises ValueError where it is none."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no name; it has 1 to 40 letters, digits, _ . and -, such as shm:front")
    return name


def socket_path(name: str) -> Path:
    """Where a writer serves the ring: in $XDG_RUNTIME_DIR, else in /run/perception, else in /tmp."""
    return next(folder for folder in _folders() if os.access(folder, os.W_OK)) / f"perception-{name}.sock"


def sockets(name: str) -> list[Path]:
    """Where a reader looks for it: the sockets that are there, in that order."""
    return [path for folder in _folders() if (path := folder / f"perception-{name}.sock").is_socket()]


def check_owner(path: Path) -> None:
    """In a folder that all may write to, a socket must be one's own, or the system's.

    Raises:
        PermissionError: it belongs to somebody else.
    """
    if path.parent.stat().st_mode & stat.S_ISVTX and (owner := path.stat().st_uid) not in (0, os.geteuid()):
        raise PermissionError(
            f"{path} belongs to user {owner}; share rings between users in {_SYSTEM}, where no one else can "
            "put theirs"
        )


def _folders() -> list[Path]:
    given = os.environ.get("XDG_RUNTIME_DIR")
    return [folder for folder in (*([Path(given)] if given else []), _SYSTEM, _LAST) if folder.is_dir()]
