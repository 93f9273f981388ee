"""Small disks of one's own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def mounted(folder: Path, size: str, *options: str) -> Iterator[Path]:
    """A file system of that size in the folder, such as "1500k"; where that is refused, a skipped test."""
    folder.mkdir()
    _mount(",".join((f"size={size}", *options)), "tmpfs", str(folder))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, *options: str) -> None:
    _mount(",".join(("remount", *options)), str(folder))


def _mount(options: str, *what: str) -> None:
    command = ["mount", "-t", "tmpfs", "-o", options, *what]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("mount is not installed")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
