"""Faults of a camera over HTTP: what the node says, how soon, what is lost, and what recovers."""

import signal
import socket
import time
from pathlib import Path

from tests.e2e.faults.bundles import write_breaking_bundle
from tests.e2e.faults.node import START_S, Node, reasons
from tests.e2e.faults.table import Rows
from tests.servers.control import Server

SIZE, RATE = "320x192", 25
STALE_S, NO_SIGNAL_S = 1.0, 3.0  # it takes 0.1 s and 1 s: the rest is for a busy machine
AGAIN_S = 10.0  # two of the pauses between tries to connect, on a busy machine
now = time.monotonic_ns


def test_a_camera_that_stalls_drips_closes_and_refuses(
    rows: Rows, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    with (
        Server("mjpeg", "--size", SIZE, "--rate", RATE) as camera,
        Node(rows, tmp_path, camera.url, *arguments) as node,
    ):
        node.sound()
        for fault, name in (("camera stalls, connected", "stall"), ("camera drips a byte at a time", "drip")):
            begun = now()
            camera.tell(name)
            after, gone = node.told(begun, "stale", STALE_S), node.told(begun, "no signal", NO_SIGNAL_S)
            assert gone >= 0.9  # of the second that it takes, all but the frame that came last
            says, _ = node.condition(begun, "signal", "no signal: no frame for", NO_SIGNAL_S)
            node.event(begun, "stream_lost", "", 5.0)
            went = now()
            camera.tell("go")
            recovered = node.fresh(went, AGAIN_S)
            node.row(fault, f"stale; after {gone:.1f} s {says}", after, begun, recovered)

        begun = now()
        camera.tell("close")
        says, after = node.event(begun, "stream_lost", "the connection", 3.0)
        node.row("camera closes the connection", says, after, begun, node.fresh(begun, AGAIN_S))

        node.fresh(now(), AGAIN_S)
        begun = now()
        camera.tell("refuse")
        says, after = node.event(begun, "stream_lost", "does not serve now (5xx)", 5.0)
        node.condition(begun, "signal", "no signal", 5.0)
        went = now()
        camera.tell("go")
        node.row("camera answers 503", says, after, begun, node.fresh(went, AGAIN_S))
        assert not {"failed", "stopped", "undecodable"} & node.end()["dropped"].keys()


def test_a_camera_that_is_stopped_or_killed(
    rows: Rows, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    with Server("mjpeg", "--size", SIZE, "--rate", RATE) as camera:
        port = camera.info["port"]
        with Node(rows, tmp_path, camera.url, *arguments) as node:
            node.sound()
            begun = now()
            camera.process.send_signal(signal.SIGSTOP)
            after, gone = node.told(begun, "stale", STALE_S), node.told(begun, "no signal", NO_SIGNAL_S)
            says, _ = node.condition(begun, "signal", "no signal: no frame for", NO_SIGNAL_S)
            went = now()
            camera.process.send_signal(signal.SIGCONT)
            recovered = node.fresh(went, AGAIN_S)
            says = f"stale; after {gone:.1f} s {says}"
            node.row("camera's process is stopped", says, after, begun, recovered)

            begun = now()
            camera.process.kill()
            _, after = node.event(begun, "stream_lost", "", 3.0)
            says, _ = node.condition(begun, "signal", "connection refused", 5.0)
            with Server("mjpeg", "--size", SIZE, "--rate", RATE, "--port", port):
                recovered = node.fresh(now(), AGAIN_S)
                node.row("camera is killed, and started again", says, after, begun, recovered)
                assert node.end()["connections"] >= 2


def test_pictures_that_are_corrupted(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    with (
        Server("mjpeg", "--size", SIZE, "--rate", RATE) as camera,
        Node(rows, tmp_path, camera.url, *arguments) as node,
    ):
        node.sound()
        begun = now()
        camera.tell("corrupt 10")
        says, after = node.condition(begun, "undecodable", "cannot be decoded", 5.0)
        node.row("10 pictures hold garbage", says, after, begun, node.fresh(now(), AGAIN_S))

        for fault, command, name, words in (
            ("picture is frozen", "freeze", "frozen", "the picture is frozen"),
            ("picture is black", "black", "black", "the picture is black"),
        ):
            begun = now()
            camera.tell(command)
            says, after = node.condition(begun, name, words, 3.0)
            _, marked = node.scene(begun, 3.0, "unreliable")
            went = now()
            camera.tell("go")
            recovered = node.fresh(went, 3.0)
            says = f"{says}; scenes are unreliable after {marked:.2f} s"
            node.row(fault, says, after, begun, recovered)

        begun = now()
        camera.tell("size 160x96")
        says, after = node.condition(begun, "wrong_size", "160×96, expected 320×192", 5.0)
        recovered = node.fresh(begun, AGAIN_S)
        node.row("picture changes its size", says, after, begun, recovered)
        report = node.end()
        assert report["dropped"].get("undecodable", 0) <= 10
        assert report["unreliable"] > 0


def test_a_camera_that_is_not_there(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    url = f"http://127.0.0.1:{port}/stream"
    begun = now()
    with Node(rows, tmp_path, url, *arguments) as node:
        words = "no signal: no frame has come yet: nothing answers at its port"
        says, _ = node.condition(begun, "signal", words, START_S)
        begun = node.healths[0]["stamp_ns"]  # from then on the node was there
        _, after = node.condition(begun, "signal", words, 3.0)
        with Server("mjpeg", "--size", SIZE, "--rate", RATE, "--port", port):
            node.row("camera is absent at the start", says, after, begun, node.fresh(now(), AGAIN_S))
            node.end()

    begun = now()
    with Node(rows, tmp_path, url, *arguments, "--give-up", 1) as node:
        report = node.end(status=1, number=None)
        says = node.said.strip().splitlines()[-1]
        assert "no frame for 1 s (nothing answers" in says and "given up, as asked for" in says
        assert report["captured"] == 0 and report["failure"]
        node.row("camera is absent, --give-up 1", f"exit 1: {says}", report["seconds"], begun)
        assert 1 <= report["seconds"] < 6


def test_more_frames_than_the_node_can_take(rows: Rows, tmp_path: Path) -> None:
    slow = write_breaking_bundle(tmp_path / "slow", trips=20_000)
    with (
        Server("mjpeg", "--size", SIZE, "--rate", 120) as camera,
        Node(
            rows,
            tmp_path,
            camera.url,
            "told/",
            "--model",
            slow.folder,
            "--engine",
            "onnx-cpu",
            "--workers",
            1,
            "--frames",
            500,
            "--min-rate",
            0,
        ) as node,
    ):
        begun = now()
        report = node.end(status=0, number=None)
        told = [reason for one in node.healths for reason in reasons(one, "engine_time")]
        assert told and "the network takes" in told[0]
        assert report["dropped"]["superseded"] > report["published"]
        ages = sorted(scene["age_ms"] for scene in node.scenes[len(node.scenes) // 2 :])
        infer = report["stages"]["infer"]["p50"]
        # One frame is in the engine while the next waits, at most a period of 8 ms more.
        assert ages[len(ages) // 2] < 3 * infer + 50
        says = f"{told[0]}; median age {ages[len(ages) // 2]:.0f} ms"
        node.row("120 frames a second for a slow network", says, None, begun)
