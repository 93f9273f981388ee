"""Other programs on a bus, and what they print."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any, Self

import numpy as np

from perception.camera_info import CameraInfo
from perception.frame import Frame
from perception.scene import Instance, Scene, Status

HERE = Path(__file__).parent
SECONDS = 30.0  # that others may take: the machine may be busy


class Program:
    """One of the programs of this folder in a process of its own, which prints lines of JSON."""

    def __init__(self, name: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / name), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE.parents[1],
            env=os.environ | {"PYTHONPATH": str(HERE.parents[1])},
        )
        self.lines: Queue[dict[str, Any]] = Queue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.put(json.loads(line))

    @property
    def pid(self) -> int:
        return self._process.pid

    def say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """With SIGKILL."""
        self._process.kill()
        self._process.wait()
        self._reader.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def heard(
        self, wanted: Callable[[dict[str, Any]], bool], meanwhile: Callable[[], object]
    ) -> dict[str, Any]:
        """The first line that is wanted; `meanwhile` is done again and again."""
        for _ in patiently():
            meanwhile()
            try:
                line = self.lines.get(timeout=0.05)
            except Empty:
                continue
            if wanted(line):
                return line
        raise AssertionError("unreachable")


def patiently() -> Iterator[None]:
    """Rounds, until the time is over."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        yield
    raise TimeoutError(f"not within {SECONDS:.0f} s")


def until(condition: Callable[[], object]) -> None:
    for _ in patiently():
        if condition():
            return
        time.sleep(0.01)


def free_endpoint() -> str:
    """A place on the loopback where nobody listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"tcp/127.0.0.1:{one.getsockname()[1]}"


INFO = CameraInfo(
    48,
    32,
    "plumb_bob",
    (0.1, -0.2, 0.001, 0.0, 0.3),
    k=(700.0, 0.0, 24.5, 0.0, 701.0, 16.25, 0.0, 0.0, 1.0),
    r=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0),
    p=(690.0, 0.0, 24.0, 0.0, 0.0, 691.0, 16.0, 0.0, 0.0, 0.0, 1.0, 0.0),
)


def a_scene(
    sequence: int = 0, status: Status = Status.OK, size: tuple[int, int] = (32, 48)
) -> tuple[Frame, Scene]:
    """Labels and instances of noise; the stamp's nanoseconds are 123_456_000 and the sequence number."""
    random = np.random.default_rng(sequence)
    frame = Frame(
        random.integers(0, 256, (*size, 3), np.uint8),
        5,
        wall_ns=1_700_000_000_123_456_000 + sequence,
        sequence=sequence,
        frame_id="lens",
        camera_info=INFO,
    )
    labels = random.integers(0, 256, size, np.uint8)
    ids = random.integers(0, 1 << 16, size, np.uint16)
    found = (Instance(8001, 8, 0.75, (2.0, 3.0, 12.5, 9.0), 17),)
    late = 1.0 if status is Status.STALE else None  # of a frame captured long ago
    return frame, Scene.of(frame, labels, ids, instances=found, status=status, max_age_ms=late)


def own_domain(patch: Any) -> None:
    """Where no other program of ROS on this machine is, not even another test's."""
    patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    patch.setenv("ROS_DOMAIN_ID", str(10 + os.getpid() % 90))
