"""Drives that lie elsewhere: what fsspec reads, brought to this machine."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from perception.errors import ConfigError, PerceptionError
from perception.extras import explain
from perception.redact import masked, printable

# Kinds of sources that have no end of their own, or are not there twice.
LIVE = frozenset(("camera", "gst", "http", "https", "push", "ros2", "rtsp", "rtsps", "shm", "udp", "zenoh"))
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def is_remote(uri: str) -> bool:
    """Whether fsspec fetches it; else it is what `open_source` takes."""
    scheme = SCHEME.match(uri)
    return scheme is not None and scheme[1].lower() not in {*LIVE, "sim", "file"}


def open_files(uri: str) -> tuple[Any, str]:
    """fsspec's file system of a URI, and the path in it.

    Raises:
        ConfigError: fsspec or what it needs for this protocol is not installed, or the URI is wrong.
    """
    try:
        import fsspec  # noqa: PLC0415 - the extra `fleet`

        fs, place = fsspec.url_to_fs(uri)
    except ModuleNotFoundError as error:
        if error.name == "fsspec":
            raise ConfigError(explain(error, f"drive {printable(masked(uri))}")) from error
        raise ConfigError(f"drive {printable(masked(uri))}: {error}; install that package") from error
    except (ImportError, ValueError, OSError) as error:
        raise ConfigError(f"drive {printable(masked(uri))}: {printable(masked(str(error)))}") from error
    return fs, str(place)


@contextmanager
def fetched(uri: str, folder: Path) -> Iterator[str]:
    """A remote drive on this machine, in a folder that is made for it and removed.

    Raises:
        ConfigError: fsspec cannot read such a URI.
        PerceptionError: it cannot be fetched now.
    """
    fs, path = open_files(uri)
    target = folder / Path(path).name
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir()
        try:
            fs.get(path, str(target), recursive=fs.isdir(path))
        except Exception as error:  # each file system of fsspec raises its own
            what = f"{type(error).__name__}: {error}"
            raise PerceptionError(f"drive {printable(masked(uri))}: cannot be fetched ({what})") from error
        yield str(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
