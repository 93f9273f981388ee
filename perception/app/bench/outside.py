"""A command measured from outside, by what the system knows of it and by the files that it writes."""

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryFile

import av

from perception.errors import ConfigError

OUT, SOURCE = "{out}", "{source}"
_VIDEOS = {".avi", ".mkv", ".mov", ".mp4"}
_PICTURES = {".bmp", ".jpeg", ".jpg", ".png", ".webp"}
_LOOK_S = 0.005


@dataclass(frozen=True, slots=True)
class Spent:
    """What one run took.

    Attributes:
        seconds: from its start to its end; `first_s`: to the first bytes in a file.
        cpu_s: of all its threads and of the processes that it waited for.
        peak_mb: of memory, of the largest of these processes.
        frames: that are in the files.
    """

    seconds: float
    first_s: float
    cpu_s: float
    peak_mb: float
    frames: int


def ours(*arguments: str) -> list[str]:
    """The command line of `perception run`, as this process would run it."""
    return [sys.executable, "-m", "perception", "run", *arguments]


def parse_command(text: str) -> list[str]:
    """A command line with `{source}` and `{out}` in it, split as a shell does.

    Raises:
        ConfigError: one of them is missing, or quotes are not closed.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ConfigError(f"--against: {text!r} is no command line: {error}") from error
    if missing := [place for place in (SOURCE, OUT) if place not in text]:
        raise ConfigError(
            f"--against: {' and '.join(missing)} is not in {text!r}; write what the command reads as "
            f"{SOURCE} and where it writes as {OUT}"
        )
    return words


def filled(words: Sequence[str], places: Mapping[str, str]) -> list[str]:
    """The command with its places filled in."""
    for place, value in places.items():
        words = [word.replace(place, value) for word in words]
    return list(words)


def start(command: Sequence[str], errors: int) -> "subprocess.Popen[bytes]":
    """Raises: ConfigError: there is no such program."""
    try:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)
    except OSError as error:
        raise ConfigError(f"{command[0]} cannot be run: {error.strerror}; check the command") from error


# A process counts the memory of the one that starts it as its own peak: so a small one starts the command.
_STARTER = """
import json, os, sys
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
_, status, usage = os.wait4(child, 0)
with open(sys.argv[1], "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss], file)
"""


def run(command: Sequence[str], out: Path) -> Spent:
    """Run a command that writes into the folder, which is empty before.

    Raises:
        ConfigError: there is no such program, it failed, or wrote no frame.
    """
    if shutil.which(command[0]) is None:
        raise ConfigError(f"{command[0]} cannot be run: no such program; check the command")
    with TemporaryFile() as said, NamedTemporaryFile("r") as used:
        began, first_s = time.perf_counter(), 0.0
        process = start([sys.executable, "-IS", "-c", _STARTER, used.name, *command], said.fileno())
        while True:
            ended, seconds = process.poll() is not None, time.perf_counter() - began
            if not first_s and any(_size(path) for path in out.rglob("*") if path.name[0] != "."):  # a lock
                first_s = seconds
            if ended:
                break
            time.sleep(_LOOK_S)
        status, cpu_s, peak = json.load(used)
        said.seek(0)
        words = said.read().decode(errors="replace")
    frames = count_frames(out)
    if status or not frames:
        what = f"ended with {status}" if status else "wrote no video and no picture"
        raise ConfigError(f"{shlex.join(command)} {what}: {words.strip()[-500:]}")
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return Spent(seconds, first_s, cpu_s, peak * unit / 1e6, frames)


def count_frames(folder: Path) -> int:
    """In the videos below a folder, else of the pictures: several of a frame differ after the first dot."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    if videos := [path for path in files if path.suffix.lower() in _VIDEOS]:
        return sum(map(_in_video, videos))
    kinds = Counter(path.name.partition(".")[2] for path in files if path.suffix.lower() in _PICTURES)
    return max(kinds.values(), default=0)


def _in_video(path: Path) -> int:
    with suppress(av.error.FFmpegError), av.open(f"file:{path}") as container:
        if container.streams.video:
            return sum(packet.size > 0 for packet in container.demux(video=0))
    return 0


def _size(path: Path) -> int:
    with suppress(OSError):  # gone meanwhile
        return path.stat().st_size if path.is_file() else 0
    return 0
