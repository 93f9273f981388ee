"""Faults of the engine: frames are lost, the node says why, and goes on, or gives up and says so."""

import time
from pathlib import Path

from perception.bundle.bundle import Bundle
from tests.e2e.faults.bundles import HANGS, INFINITE, THROWS
from tests.e2e.faults.node import Node
from tests.e2e.faults.table import Rows
from tests.servers.control import Server

PERIOD_S = 0.1
CAMERA = "--size", "160x96", "--rate", 1 / PERIOD_S
RUN = "told/", "--engine", "onnx-cpu", "--min-rate", 0, "--model"
HANG_S = 5.0  # in the engine, after which a node gives a frame up
now = time.monotonic_ns


def show_once(camera: Server, node: Node, colour: str) -> int:
    """Have the network hang on a picture of that colour, which may be superseded; since when it hangs."""
    for _ in range(10):
        begun = now()
        camera.tell(f"colour {colour} 1")
        time.sleep(10 * PERIOD_S)
        if node.scenes[-1]["stamp_ns"] < begun + 5 * PERIOD_S * 1e9:
            return begun
    raise AssertionError("no picture has come as far as the network")


def test_an_engine_that_throws_gives_no_numbers_or_hangs(
    rows: Rows, tmp_path: Path, breaking_bundle: Bundle
) -> None:
    run = *RUN, breaking_bundle.folder, "--workers", 3
    with Server("mjpeg", *CAMERA) as camera, Node(rows, tmp_path, camera.url, *run) as node:
        node.sound()
        for fault, colour, words in (
            ("the network gives infinite values", INFINITE, "values that are no numbers"),
            ("the engine throws", THROWS, "indices element out of data bounds"),
        ):
            begun = now()
            camera.tell(f"colour {colour} 4")
            says, after = node.event(begun, "frame_failed", words, 3.0)
            recovered = node.fresh(begun + round(5 * PERIOD_S * 1e9), 5.0) + 5 * PERIOD_S
            node.condition(begun, "failed", "frames that the engine failed on", 3.0)
            node.row(fault, says, after, begun, recovered)

        begun = show_once(camera, node, HANGS)
        node.condition(begun, "unpublished", "frames come, but no scene for", 8.0)
        says, after = node.event(begun, "worker_hung", "hung for 5 s and were replaced", HANG_S + 5)
        assert after >= HANG_S
        recovered = node.fresh(begun, HANG_S + 8)
        node.row("the engine hangs on a frame", says, after, begun, recovered)

        begun = now()
        camera.tell(f"colour {HANGS}")
        report = node.end(status=1, number=None)
        after = (now() - begun) / 1e9
        assert 3 * HANG_S < after < 3 * HANG_S + 10  # three rows, and 5 s to see that nothing comes back
        assert "the engine hung" in report["failure"] and report["failure"] in node.said
        assert report["restarts"] >= 3
        node.row("the engine hangs on every frame", f"exit 1: {report['failure']}", after, begun)


def test_an_engine_that_fails_for_good(rows: Rows, tmp_path: Path, breaking_bundle: Bundle) -> None:
    run = *RUN, breaking_bundle.folder
    with Server("mjpeg", *CAMERA) as camera, Node(rows, tmp_path, camera.url, *run) as node:
        node.sound()
        begun = now()
        camera.tell(f"colour {THROWS}")
        report = node.end(status=1, number=None)
        after = (now() - begun) / 1e9
        assert after < 10
        assert "frames in a row for 3 s" in report["failure"] and "out of data bounds" in report["failure"]
        assert report["failure"].splitlines()[0] in node.said
        node.row("the engine throws on every frame", f"exit 1: {report['failure']}", after, begun)
