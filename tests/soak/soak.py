"""The node for many frames with faults at random: accounts stay exact, and nothing grows. See `run`."""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
import psutil

from tests.e2e.faults.bundles import write_breaking_bundle
from tests.e2e.faults.node import COMMAND, check_account
from tests.e2e.faults.viewer import free_port
from tests.servers.control import Server
from tests.soak.faults import Faults

RATE = 160  # frames a second: about what the node can take, so that it is never idle
WARM_UP, PART = 0.5, 0.15  # of the frames: until the heap of each thread has seen every kind of fault
EVERY_S = 0.25
ROW = 10_000  # frames of a row of the table in the end
FAULT_EACH = 250  # frames: fewer, and the camera would be away most of the time
LINES = 40  # of figures
# Growth is from the first part after the warm-up to the last one; a leak goes on, and shows there as well.
MOST_RSS, MOST_SLOPE_MB = 0.02, 0.5  # share; MB for 10 000 frames


@dataclass(frozen=True)
class Sample:
    captured: int
    rss: float  # MB
    descriptors: int
    threads: int


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests/soak/run", description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="for what is written; else one that is removed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(soak(arguments.folder or Path(temporary), arguments.frames, arguments.seed))


def soak(folder: Path, frames: int, seed: int) -> int:
    """Exit status: 0 where all is as it should be."""
    folder.mkdir(parents=True, exist_ok=True)
    model = write_breaking_bundle(folder / "model").folder
    port, begun = free_port(), time.monotonic()
    sinks = "labels/?keep=20MB", "out.mp4?megabytes=2&keep=20MB", f"web://127.0.0.1:{port}"
    with (
        Server("mjpeg", "--size", "160x96", "--rate", RATE) as camera,
        (folder / "log.jsonl").open("wb") as log,
        subprocess.Popen(
            [
                COMMAND,
                "run",
                camera.url,
                *sinks,
                "--model",
                model,
                "--engine",
                "onnx-cpu",
                "--workers",
                "2",
                "--frames",
                str(frames),
                "--log",
                "json",
                "--json",
            ],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=folder,
        ) as node,
    ):
        process = psutil.Process(node.pid)
        faults = Faults(seed, camera, process, port, folder / "labels")
        try:
            samples = watch(node, process, port, frames, faults)
        except BaseException:
            node.kill()  # or nobody would hear why until it has ended by itself
            raise
        finally:
            faults.end()
            camera.tell("go")
        assert node.stdout is not None
        out = node.stdout.read()
    if node.returncode != 0:
        print(f"the node ended with {node.returncode}; see {folder}/log.jsonl: {_tail(folder)}")
        return 1
    report = json.loads(out)
    check_account(report)
    print(
        f"{report['captured']} captured = {report['published']} published + {report['dropped']}, "
        f"{report['connections']} connections, {time.monotonic() - begun:.0f} s"
    )
    for sink in report["sinks"]:
        print(f"{sink['uri']}: {sink['written']} written, lost {sink['lost']}")
    print(f"faults: {dict(faults.counts)}")
    return int(not verdict(samples))


def watch(
    node: subprocess.Popen[str], process: psutil.Process, port: int, frames: int, faults: Faults
) -> list[Sample]:
    """Inject faults until the node ends; every state of it that was told is checked."""
    samples: list[Sample] = []
    told = harmed = 0
    while node.poll() is None:
        time.sleep(EVERY_S)
        health = ask(port)
        if health is None or not health["captured"]:
            continue
        check(health)
        try:
            with process.oneshot():
                rss, threads = process.memory_info().rss / 1e6, process.num_threads()
            samples.append(Sample(health["captured"], rss, process.num_fds(), threads))
        except psutil.NoSuchProcess:
            break
        if health["captured"] >= told:
            told = health["captured"] + frames // LINES
            show(samples[-1], health)
        if harmed + FAULT_EACH <= health["captured"] < frames - RATE:
            harmed = health["captured"]
            faults.inject()
    return samples


def ask(port: int) -> dict[str, Any] | None:
    """The node's health as its page has it; None while there is none."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            health: dict[str, Any] | None = json.load(answer)["cameras"].get("front")
            return health
    except (URLError, ConnectionError, TimeoutError):
        return None


def check(health: dict[str, Any]) -> None:
    dropped = sum(health["dropped"].values())
    assert health["captured"] == health["published"] + health["in_hand"] + dropped, health
    for sink in health["sinks"]:
        offered = sink["written"] + sum(sink["lost"].values()) + sink["queued"]
        assert offered <= health["published"] + 1, (sink, health)


def show(sample: Sample, health: dict[str, Any]) -> None:
    dropped = " ".join(f"{reason} {count}" for reason, count in health["dropped"].items())
    print(
        f"{sample.captured:7} captured, {health['published']} published, {dropped}; {sample.rss:.1f} MB, "
        f"{sample.descriptors} descriptors, {sample.threads} threads",
        flush=True,
    )


def show_table(samples: list[Sample]) -> None:
    """Of each ROW frames."""
    print("frames, thousands | MB | descriptors | threads")
    for start in range(0, samples[-1].captured, ROW):
        row = [one for one in samples if start <= one.captured < start + ROW]
        if row:
            rss, descriptors = np.median([one.rss for one in row]), max(one.descriptors for one in row)
            threads = max(one.threads for one in row)
            print(f"{start // 1000} to {(start + ROW) // 1000} | {rss:.1f} | {descriptors} | {threads}")


def verdict(samples: list[Sample]) -> bool:
    """Whether nothing has grown since the warm-up."""
    show_table(samples)
    last = samples[-1].captured
    part = [one for one in samples if one.captured > WARM_UP * last]
    first = [one for one in part if one.captured < (WARM_UP + PART) * last]
    end = [one for one in part if one.captured > (1 - PART) * last]
    slope = np.polyfit([one.captured for one in part], [one.rss for one in part], 1)[0] * 10_000
    good = True
    for name in ("rss", "descriptors", "threads"):
        before, after = (float(np.median([getattr(one, name) for one in which])) for which in (first, end))
        # Viewers and connections come and go.
        grown = after > before * (1 + MOST_RSS) if name == "rss" else after > before + 8
        good &= not grown
        print(
            f"{name}: {before:.1f} after the warm-up, {after:.1f} at the end{': IT GROWS' if grown else ''}"
        )
    if slope > MOST_SLOPE_MB:
        good = False
    print(f"slope: {slope:+.2f} MB for 10 000 frames\n{'FLAT' if good else 'NOT FLAT'}")
    return good


def _tail(folder: Path) -> str:
    return (folder / "log.jsonl").read_text()[-2000:]


if __name__ == "__main__":
    main()
