"""A program that embeds the node and hands in its frames: it tells in lines of JSON what it knows just now.

`python -m tests.e2e.faults.embedding MODEL`; commands on stdin: stall, go, end.
"""

import sys
import threading
import time
from pathlib import Path

from perception import Perceiver
from perception.node.node import Node
from perception.sources.push import PushSource
from tests.servers.control import obey, tell
from tests.servers.pictures import numbered

PERIOD_S = 0.04


def main() -> None:
    source = PushSource(rate=1 / PERIOD_S)
    node = Node(source, Perceiver.load(Path(sys.argv[1]), "onnx-cpu", threads=1), [])
    pushing, ended = threading.Event(), threading.Event()
    pushing.set()

    def push() -> None:
        number = 0
        while not ended.wait(PERIOD_S):
            if pushing.is_set():
                source.push(numbered(number, 96, 160))
                number += 1

    def ask() -> None:
        while not ended.wait(PERIOD_S / 4):
            scene = node.latest()
            if scene is not None:
                unknown = bool((scene.labels == 255).all())
                tell(
                    status=scene.status,
                    age_ms=scene.age_ms,
                    sequence=scene.sequence,
                    unknown=unknown,
                    at_ns=time.monotonic_ns(),
                    stamp_ns=scene.stamp_ns,
                )

    def command(name: str, values: list[str]) -> None:
        match name:
            case "stall":
                pushing.clear()
            case "go":
                pushing.set()
            case "end":
                ended.set()
                source.end()

    threads = [threading.Thread(target=work) for work in (push, ask, node.run)]
    for thread in threads:
        thread.start()
    obey(command)
    for thread in threads:
        thread.join()
    report = node.report()
    tell(captured=report.captured, published=report.published, dropped=report.dropped)


if __name__ == "__main__":
    main()
