"""Faults at random, from a seed: of the camera, the sinks, the engine, and those who look at the page."""

import random
import resource
import shutil
import socket
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import psutil

from tests.e2e.faults.bundles import INFINITE, THROWS
from tests.e2e.faults.viewer import open_viewer, vanish
from tests.servers.control import Server

SIZES = "160x96", "96x160", "128x96", "160x96"
MOST_VIEWERS = 8


class Faults:
    """Puts them into a running node, one after the other; `counts` says how often each."""

    def __init__(self, seed: int, camera: Server, node: psutil.Process, port: int, folder: Path) -> None:
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._camera, self._node, self._port, self._folder = camera, node, port, folder
        self._viewers: list[socket.socket] = []
        self._kinds = (
            self.close_connection,
            self.stall,
            self.corrupt,
            self.resize,
            self.remove_folder,
            self.limit_files,
            self.break_engine,
            self.break_engine,
            self.viewer_comes,
            self.viewer_comes,
            self.viewer_vanishes,
            self.pause,
        )

    def inject(self) -> None:
        fault = self._random.choice(self._kinds)
        self.counts[fault.__name__] += 1
        fault()

    def close_connection(self) -> None:
        self._camera.tell("close")

    def stall(self) -> None:
        self._camera.tell("stall")
        time.sleep(self._random.uniform(0.1, 1.5))
        self._camera.tell("go")

    def corrupt(self) -> None:
        self._camera.tell(f"corrupt {self._random.randint(1, 20)}")

    def resize(self) -> None:
        self._camera.tell(f"size {self._random.choice(SIZES)}")

    def remove_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)  # the node writes there meanwhile

    def limit_files(self) -> None:
        """As a full disk: no file may be larger for a while."""
        limits = self._node.rlimit(resource.RLIMIT_FSIZE)
        self._node.rlimit(resource.RLIMIT_FSIZE, (self._random.randint(10_000, 200_000), limits[1]))
        time.sleep(self._random.uniform(0.1, 1.0))
        self._node.rlimit(resource.RLIMIT_FSIZE, limits)

    def break_engine(self) -> None:
        self._camera.tell(f"colour {self._random.choice((INFINITE, THROWS))} {self._random.randint(1, 3)}")

    def viewer_comes(self) -> None:
        """It never reads a picture. With too many there, the first one goes, as it should."""
        if len(self._viewers) == MOST_VIEWERS:
            self._viewers.pop(0).close()
        self._viewers.append(open_viewer(self._port))

    def viewer_vanishes(self) -> None:
        if self._viewers:
            vanish(self._viewers.pop(self._random.randrange(len(self._viewers))))

    def pause(self) -> None:
        """The whole process, as a frozen container's."""
        self._node.suspend()
        time.sleep(self._random.uniform(0.1, 3.0))
        self._node.resume()

    def end(self) -> None:
        for viewer in self._viewers:
            with suppress(OSError):
                viewer.close()
