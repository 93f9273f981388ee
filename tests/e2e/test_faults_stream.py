"""Faults of cameras over RTSP and UDP: what the node says, how soon, what is lost, and what recovers."""

import signal
import time
from itertools import pairwise
from pathlib import Path

from tests.e2e.faults.node import Node
from tests.e2e.faults.table import Rows
from tests.servers.control import Server

CAMERA = "--size", "320x192", "--rate", "25", "--gop", "5", "--seconds", "2"
STALE_S, NO_SIGNAL_S = 1.0, 3.0
AGAIN_S = 12.0  # two of the pauses between tries to connect, on a busy machine
now = time.monotonic_ns


def test_a_stream_that_stalls_jumps_or_is_corrupted(
    rows: Rows, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    with Server("rtsp", *CAMERA) as camera, Node(rows, tmp_path, camera.url, *arguments) as node:
        node.sound()
        begun = now()
        camera.tell("stall")
        after, gone = node.told(begun, "stale", STALE_S), node.told(begun, "no signal", NO_SIGNAL_S)
        says, _ = node.condition(begun, "signal", "no signal: no frame for", NO_SIGNAL_S)
        went = now()
        camera.tell("go")
        says = f"stale; after {gone:.1f} s {says}"
        node.row("RTSP camera stalls, connected", says, after, begun, node.fresh(went, AGAIN_S))

        node.fresh(now() + 1_000_000_000, AGAIN_S)
        for seconds in (3600, -1800):
            begun = now()
            camera.tell(f"jump {seconds}")
            recovered = node.fresh(begun, AGAIN_S)
            node.fresh(now() + 500_000_000, AGAIN_S)
            scenes = [scene for scene in node.scenes if scene["stamp_ns"] >= begun]
            for earlier, later in pairwise(scenes):
                assert 0 <= later["stamp_ns"] - earlier["stamp_ns"] < 3e9  # by the host's clock, as before
            oldest = max(scene["age_ms"] for scene in scenes if scene["status"] == "ok")
            assert oldest <= 250
            says = f"nothing: stamps stay by the host's clock, no good scene is older than {oldest:.0f} ms"
            node.row(f"the stream's clock jumps by {seconds} s", says, None, begun, recovered)

        begun = now()
        camera.tell("corrupt 10")
        says, after = node.condition(begun, "undecodable", "cannot be decoded", 5.0)
        node.row("10 pictures of H.264 are corrupted", says, after, begun, node.fresh(now(), AGAIN_S))
        node.end()


def test_a_stream_whose_server_is_stopped_or_killed(
    rows: Rows, tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    with Server("rtsp", *CAMERA) as camera, Node(rows, tmp_path, camera.url, *arguments) as node:
        node.sound()
        begun = now()
        camera.process.send_signal(signal.SIGSTOP)
        after, gone = node.told(begun, "stale", STALE_S), node.told(begun, "no signal", NO_SIGNAL_S)
        says, _ = node.condition(begun, "signal", "no signal: no frame for", NO_SIGNAL_S)
        went = now()
        camera.process.send_signal(signal.SIGCONT)
        recovered = node.fresh(went, AGAIN_S)
        node.row("RTSP server is stopped", f"stale; after {gone:.1f} s {says}", after, begun, recovered)

        begun = now()
        camera.process.kill()
        _, after = node.event(begun, "stream_lost", "", 3.0)
        says, _ = node.condition(begun, "signal", "connection refused", 5.0)
        with Server("rtsp", *CAMERA, "--port", camera.info["port"]):
            recovered = node.fresh(now(), AGAIN_S)
            node.row("RTSP server is killed, and started again", says, after, begun, recovered)
            assert node.end()["connections"] >= 2


def test_packets_that_are_lost(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    with (
        Server("rtsp", *CAMERA) as camera,
        Node(rows, tmp_path, f"{camera.url}#transport=udp", *arguments) as node,
    ):
        node.sound()
        begun = now()
        camera.tell("lose 0.3")
        says, after = node.condition(begun, "undecodable", "cannot be decoded", 10.0)
        went = now()
        camera.tell("go")
        node.row("30 % of RTP packets are lost", says, after, begun, node.fresh(went, AGAIN_S))
        node.end()


def test_a_wrong_password(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    wrong, right = "wr0ng-secret", "right-one"
    with Server("rtsp", *CAMERA, "--user", f"car:{right}") as camera:
        begun = now()
        url = camera.url.replace(right, wrong)
        with Node(rows, tmp_path, url, *arguments, "--give-up", 2) as node:
            says, after = node.event(begun, "stream_lost", "refuses this user and password (401)", 60.0)
            report = node.end(status=1, number=None)
            after -= (node.healths[0]["stamp_ns"] - begun) / 1e9
            assert after < 5.0
            assert report["captured"] == 0
            files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
            for secret in (wrong, right):
                assert secret not in node.said and secret not in str(report)
                assert secret.encode() not in files
            node.row("wrong password", says, max(after, 0.0), begun)


def test_a_sender_of_packets_falls_silent(rows: Rows, tmp_path: Path, arguments: tuple[object, ...]) -> None:
    with (
        Server("mpegts", "--size", "320x192", "--rate", "25", "--gop", "5") as camera,
        Node(rows, tmp_path, camera.url, *arguments) as node,
    ):
        node.sound()
        begun = now()
        camera.tell("stall")
        after, gone = node.told(begun, "stale", STALE_S), node.told(begun, "no signal", NO_SIGNAL_S)
        says, _ = node.condition(begun, "signal", "no signal: no frame for", NO_SIGNAL_S)
        went = now()
        camera.tell("go")
        recovered = node.fresh(went, AGAIN_S)
        node.row("MPEG-TS by UDP falls silent", f"stale; after {gone:.1f} s {says}", after, begun, recovered)
        node.end()
