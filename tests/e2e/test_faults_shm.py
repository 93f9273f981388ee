"""Faults of shared memory: writers and readers that stop, die, or come twice."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from perception.interchange.shm.layout import Part
from perception.interchange.shm.reader import Held, Reader
from tests.e2e.faults.node import Node
from tests.e2e.faults.table import Rows
from tests.servers.control import ROOT, Server

CAMERA = "--size", "320x192", "--rate", "25"
HOLDS_TWO = """
from perception.interchange.shm.layout import Part
from perception.interchange.shm.reader import Reader
reader = Reader.open("front", Part.PICTURE | Part.LABELS | Part.INSTANCES)
held = [reader.next(60), reader.next(60)]
print("holds", flush=True)
reader.next(600)
"""
now = time.monotonic_ns


def read(reader: Reader, seconds: float) -> tuple[int, int]:
    """Frames that it got in that time, each let go of, and those that it missed."""
    got = missed = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        held = reader.next(1.0)
        if isinstance(held, Held):
            got, missed = got + 1, missed + held.missed
            reader.release(held)
    return got, missed


def test_readers_that_hold_stop_and_die(
    rows: Rows, tmp_path: Path, runtime: Path, arguments: tuple[object, ...]
) -> None:
    with (
        Server("mjpeg", *CAMERA) as camera,
        Node(rows, tmp_path, camera.url, "shm:front?readers=2", *arguments) as node,
    ):
        node.sound()
        with Reader.open("front", Part.PICTURE | Part.LABELS) as other:
            begun = now()
            stopped = subprocess.Popen(
                [sys.executable, "-c", HOLDS_TWO], stdout=subprocess.PIPE, text=True, cwd=ROOT
            )
            assert stopped.stdout is not None and stopped.stdout.readline() == "holds\n"
            stopped.send_signal(signal.SIGSTOP)
            read(other, 0.5)
            memory = psutil.Process(node.process.pid).memory_info().rss
            got, missed = read(other, 3.0)
            grown = psutil.Process(node.process.pid).memory_info().rss - memory
            assert got > 40 and missed <= 2  # of a busy machine
            assert grown < 8 << 20
            says = f"another reader got {got} frames and missed {missed}; the node's memory grew by "
            node.row("shm: a reader holds 2 frames, stopped", says + f"{grown >> 10} kB", None, begun)

            begun = now()
            stopped.kill()
            stopped.wait()
            stopped.stdout.close()
            says, after = node.event(begun, "reader_gone", "it got 2 frames", 5.0)
            with Reader.open("front", Part.PICTURE) as third:  # in its place
                assert read(third, 0.5)[0]
            recovered = (now() - begun) / 1e9
            node.row("shm: it is killed", says.replace(str(stopped.pid), "…"), after, begun, recovered)
        report = node.end()
        sink = next(one for one in report["sinks"] if one["uri"].startswith("shm:"))
        assert not sink["lost"]


def test_a_writer_that_stops_dies_and_comes_twice(
    rows: Rows, tmp_path: Path, runtime: Path, arguments: tuple[object, ...]
) -> None:
    model = arguments[1:]
    with Server("mjpeg", *CAMERA) as camera:
        writing = camera.url, "shm:front", *model
        with Node(rows, tmp_path, "shm:front", *arguments) as node:
            with Node(rows, tmp_path, *writing, sink="none") as first:
                node.sound()
                begun = now()
                first.process.send_signal(signal.SIGSTOP)
                after = node.told(begun, "no signal", 5.0)
                says, _ = node.event(begun, "stream_lost", "no picture for 1 s", 5.0)
                went = now()
                first.process.send_signal(signal.SIGCONT)
                recovered = node.fresh(went, 10.0)
                node.row("shm: the writer is stopped", f"no signal; {says}", after, begun, recovered)

                with Node(rows, tmp_path, *writing, sink="none") as second:
                    begun = now()
                    assert second.process.wait(60) == 1
                    says = second.said.strip()
                    after = (now() - begun) / 1e9
                    assert f"process {first.process.pid} serves it already" in says
                    says = says.replace(str(first.process.pid), "…").replace(f"{runtime}/", "")
                    rows.add("shm: a second writer of the name", f"exit 1: {says}", after, "nothing")
                node.fresh(now(), 5.0)

                begun = now()
                first.process.kill()
                says, after = node.event(begun, "stream_lost", "its writer is gone", 5.0)
            with Node(rows, tmp_path, *writing, sink="none"):
                node.fresh(begun + 1_000_000_000, 60.0)
                recovered = (now() - begun) / 1e9
                says = f"no signal; {says}"
                node.row("shm: the writer is killed, and started again", says, after, begun, recovered)
                node.end()
