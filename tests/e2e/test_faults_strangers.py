"""Strangers in the network take nothing from the camera: no descriptors, no cores, no place in the log."""

import json
import resource
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest

from tests.e2e.faults.node import Node, Values
from tests.e2e.faults.strangers import hostile, idle
from tests.e2e.faults.table import Rows
from tests.e2e.faults.viewer import free_port, open_viewer
from tests.servers.control import Server

CAMERA = "--size", "320x192", "--rate", "10"  # which leaves room for others on this machine
LONG, LESS = 60, 3  # frames, and how many of them a busy machine may lose
now = time.monotonic_ns


@pytest.fixture(autouse=True)
def _many_files() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if before[1] != resource.RLIM_INFINITY and before[1] < 4096:
        pytest.skip("this process may not have 1,200 connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def watch(node: Node, frames: int = LONG) -> list[Values]:
    """The next scenes, so many."""
    begun = len(node.scenes)
    node.until("scenes", lambda: len(node.scenes) >= begun + frames, 60.0)
    return node.scenes[begun : begun + frames]


def p99(scenes: list[Values]) -> float:
    return statistics.quantiles([float(one["age_ms"]) for one in scenes], n=100)[-1]


def missing(scenes: list[Values]) -> int:
    return int(scenes[-1]["sequence"] - scenes[0]["sequence"] + 1 - len(scenes))


def test_a_thousand_idle_and_two_hundred_hostile_connections(
    rows: Rows, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    port = free_port()
    uri = f"web://127.0.0.1:{port}?token=OVERHEARD"
    with Server("mjpeg", *CAMERA) as camera, Node(rows, tmp_path, camera.url, uri, *arguments) as node:
        # As under systemd without LimitNOFILE.
        resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, (256, 256))
        node.sound()
        quiet = watch(node)
        begun, said = now(), len(node.said)
        with idle(port, 1000), hostile(port, 200) as heard:
            attacked = watch(node)
            most = psutil.Process(node.process.pid).num_fds()
            camera.tell("close")  # it needs a descriptor to connect again
            recovered = node.fresh(now(), 10.0)
            seconds = (now() - begun) / 1e9
        assert most < 200
        kinds = Counter(line.split()[1] for line in heard if line.startswith(b"HTTP/"))
        assert set(kinds) <= {b"400", b"401", b"403", b"404", b"200", b"503"} and len(kinds) >= 3

        def answered() -> bool:
            with (
                suppress(OSError),
                urlopen(f"http://127.0.0.1:{port}/health?token=OVERHEARD", timeout=10) as told,
            ):
                return bool(json.load(told)["cameras"]["front"])
            return False

        node.until("the page", answered, 10.0)
        assert missing(attacked) <= missing(quiet) + LESS
        volume = len(node.said) - said
        assert volume < 20_000
        says = (
            f"{most} descriptors; {sum(kinds.values())} answers in {seconds:.0f} s, {volume} bytes of log; "
            f"99 % of ages below {p99(attacked):.0f} ms, before {p99(quiet):.0f} ms"
        )
        node.row("1,000 idle connections and 200 hostile clients", says, None, begun, recovered)
        report = node.end()
        assert "OVERHEARD" not in node.said
        assert all(line.startswith("{") for line in node.said.splitlines())
        assert not any(sink["lost"] for sink in report["sinks"])


def test_malformed_requests_without_end(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    port = free_port()
    with (
        Server("mjpeg", *CAMERA) as camera,
        Node(rows, tmp_path, camera.url, f"web://127.0.0.1:{port}", *arguments, "--quiet") as node,
    ):
        node.sound()
        quiet, begun = watch(node, 20), now()
        with hostile(port, 50, 0.05) as heard:
            attacked = watch(node)
        assert len(heard) > 100
        assert missing(attacked) <= missing(quiet) + LESS
        node.row("malformed requests, with --quiet", f"nothing; {len(heard)} were answered", None, begun)
        node.end()
        assert node.said == ""


def test_a_viewer_that_floods(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    port = free_port()
    with (
        Server("mjpeg", *CAMERA) as camera,
        Node(rows, tmp_path, camera.url, f"web://127.0.0.1:{port}", *arguments) as node,
    ):
        node.sound()
        quiet, begun = watch(node, 20), now()
        viewer = open_viewer(port)
        with viewer, suppress(ConnectionError):
            for _ in range(10_000):
                viewer.sendall((bytes((0x81, 0x85)) + bytes(4) + b"front") * 1000)
        after = (now() - begun) / 1e9
        assert after < 10
        attacked = watch(node, 20)
        assert missing(attacked) <= missing(quiet) + LESS
        said = node.event(begun, "viewer_flood", "messages a second", 5.0)[0]
        node.row("a viewer floods the page with messages", said, after, begun)
        node.end()


def test_three_hundred_pictures_at_once(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    """Of a camera that has been silent for a while: none is older than it says."""
    port = free_port()

    def ask(_: int) -> tuple[int, float, Values]:
        begun = now()
        try:
            with urlopen(f"http://127.0.0.1:{port}/frame.jpg", timeout=20) as picture:
                return picture.status, now(), json.loads(picture.headers["X-Scene"])
        except HTTPError as error:
            return error.code, begun, {}
        except OSError:  # its connection was closed for others'
            return 0, begun, {}

    with (
        Server("mjpeg", *CAMERA) as camera,
        Node(rows, tmp_path, camera.url, f"web://127.0.0.1:{port}", *arguments) as node,
    ):
        node.sound()
        before = psutil.Process(node.process.pid).memory_info().rss
        begun = now()
        camera.tell("stall")
        node.told(begun, "no signal", 5.0)
        with ThreadPoolExecutor(100) as pool:
            found = list(pool.map(ask, range(300)))
        grown = (psutil.Process(node.process.pid).memory_info().rss - before) / 1e6
        last = node.scenes[-1]
        kinds = Counter(status for status, *_ in found)
        pictures = [(at, scene) for status, at, scene in found if status == 200]
        assert len(pictures) >= 8 and kinds[500] == 0
        for _, scene in pictures:
            assert scene["status"] == "no_signal" and scene["sequence"] == last["sequence"]
        oldest = max(scene["age_ms"] for _, scene in pictures)
        assert oldest > 1000
        assert grown < 100
        says = f"{kinds[200]} get it, as no_signal, {oldest:.0f} ms old; {kinds[503]} are refused (503)"
        node.row("300 ask for the picture of a silent camera", says, None, begun)
        node.end()
