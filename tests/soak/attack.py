"""How much a node logs in an hour while strangers, viewers and a camera that comes and goes do their worst.

`python -m tests.soak.attack --minutes 10`: it ends with status 1 where that is more than 1 MB an hour.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from tests.e2e.faults.bundles import write_breaking_bundle
from tests.e2e.faults.node import COMMAND
from tests.e2e.faults.strangers import hostile, idle
from tests.e2e.faults.viewer import free_port, open_viewer
from tests.servers.control import Server

EACH_S = 3.0  # the camera goes: it is found again, and lost again, with all conditions that follow
MOST = 1e6  # bytes an hour
FLOOD = (bytes((0x81, 0x85)) + bytes(4) + b"front") * 100


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.soak.attack", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    arguments = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(attack(Path(folder), arguments.minutes))


def attack(folder: Path, minutes: float) -> int:
    """Exit status: 0 where it logs no more than it may."""
    port, model = free_port(), write_breaking_bundle(folder / "model").folder
    sinks = "labels/?keep=20MB", f"web://127.0.0.1:{port}"
    with (
        Server("mjpeg", "--size", "160x96", "--rate", "10") as camera,
        (folder / "log.jsonl").open("wb") as log,
        subprocess.Popen(
            [COMMAND, "run", camera.url, *sinks, "--model", model, "--engine", "onnx-cpu", "--log", "json"],
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=folder,
        ) as node,
    ):
        try:
            time.sleep(10)  # until it serves its page
            end = time.monotonic() + 60 * minutes
            with idle(port, 1000), hostile(port, 100) as heard:
                while time.monotonic() < end and node.poll() is None:
                    camera.tell("close")
                    # Others of its host may have asked for too much already.
                    with suppress(OSError, AssertionError), open_viewer(port) as viewer:
                        viewer.sendall(FLOOD)
                    time.sleep(EACH_S)
        finally:
            node.terminate()
    lines = (folder / "log.jsonl").read_bytes().splitlines()
    kinds = Counter[str]()
    for line in lines:
        values = json.loads(line)
        kinds[f"{values['level']} {values['logger']} {values.get('event', '')}"] += len(line)
    hourly = sum(map(len, lines)) * 60 / minutes
    print(f"{len(heard)} answers; {len(lines)} lines in {minutes:g} min: {hourly / 1e6:.2f} MB an hour")
    for kind, size in kinds.most_common(12):
        print(f"{size * 60 / minutes / 1e6:8.3f} MB an hour: {kind}")
    return int(hourly > MOST or node.returncode not in (0, 143))


if __name__ == "__main__":
    main()
