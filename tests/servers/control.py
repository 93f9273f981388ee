"""Servers as processes of their own: they tell of themselves in lines of JSON, and take commands on stdin."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parents[2]
_TELLING = Lock()


def tell(**values: Any) -> None:
    """In the server: a line for who started it, from any thread (`print` writes the line's end by itself)."""
    with _TELLING:
        sys.stdout.write(json.dumps(values) + "\n")
        sys.stdout.flush()


def obey(command: Callable[[str, list[str]], None]) -> None:
    """In the server: carry out each line of stdin, and say so, until who started it is gone."""
    for line in sys.stdin:
        name, *values = line.split()
        command(name, values)
        tell(done=line.strip())


class Server:
    """A server as a process: `with Server("mjpeg", "--rate", "30") as server`, and `server.tell("stall")`.

    Attributes:
        info: what it said of itself when it was ready, such as its port.
        process: for signals.
    """

    def __init__(self, kind: str, *arguments: object, python: str | Path = sys.executable) -> None:
        self.process = subprocess.Popen(
            [python, "-m", f"tests.servers.{kind}", *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self.info = self._hear()
        self.url = str(self.info.get("url", ""))

    def _hear(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the server ended with {self.process.wait()}"
        return dict(json.loads(line))

    def tell(self, command: str) -> None:
        """Give a command, and wait until it has taken effect."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        while "done" not in (said := self._hear()):
            self.info.update(said)

    def __enter__(self) -> "Server":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
