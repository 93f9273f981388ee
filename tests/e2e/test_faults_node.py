"""Faults of the node's own process, of its clock, and of one camera of several; and faults replayed."""

import json
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from threading import Thread

import yaml

from perception.bundle.bundle import Bundle
from tests.e2e.faults.bundles import write_breaking_bundle
from tests.e2e.faults.node import Node, Values, check_account, readable
from tests.e2e.faults.table import Rows
from tests.media import COLOURS_BGR, picture, read_image, read_video, write_video
from tests.servers.control import ROOT, Server
from tests.servers.pictures import number_of

CAMERA = "--size", "320x192", "--rate", "25"
MAX_AGE_MS = 250.0  # of scenes of live cameras
now = time.monotonic_ns
# The wall clock goes back by two hours once the file is there. The node must read it by the usual ways.
JUMPS = """
import os, time
real_ns, real = time.time_ns, time.time
def jump(): return 7200 if os.path.exists("jump") else 0
time.time_ns = lambda: real_ns() - 1_000_000_000 * jump()
time.time = lambda: real() - jump()
"""


def true_age_ms(scene: Values, folder: Path, camera: Server) -> float:
    """How old the picture was when its scene was published, by the number that it carries."""
    labels = read_image(folder / f"{scene['stem']}.labels.png")
    number = number_of(COLOURS_BGR[labels])
    due_ns = camera.info["start_ns"] + number * 1e9 / camera.info["rate"]
    return float((scene["stamp_ns"] - due_ns) / 1e6 + scene["age_ms"])


def test_a_node_that_is_ended_or_killed(rows: Rows, tmp_path: Path, breaking_bundle: Bundle) -> None:
    run = "out.mp4", "--model", breaking_bundle.folder, "--engine", "onnx-cpu"
    with Server("mjpeg", *CAMERA) as camera:
        with Node(rows, tmp_path, camera.url, "told/", *run) as node:
            node.until("scenes", lambda: len(node.scenes) >= 40, 60.0)
            begun = now()
            report = node.end()
            after = (now() - begun) / 1e9
            assert after < 5
            assert len(node.scenes) == report["published"] == len(read_video(tmp_path / "out.mp4"))
            account = f"{report['captured']} captured = {report['published']} published + "
            says = f"exit 143: {account}{sum(report['dropped'].values())} dropped; every file is whole"
            node.row("node: SIGTERM", says, after, begun)

        with Node(rows, tmp_path, camera.url, "killed/", *run, sink="killed") as node:
            node.until("scenes", lambda: len(node.scenes) >= 60, 60.0)
            begun = now()
            node.process.kill()
            node.process.wait()
            lines = (tmp_path / "killed/scenes.jsonl").read_bytes().splitlines()
            scenes = [json.loads(line) for line in lines]  # the last one too
            video = readable(tmp_path / "out.mp4")
            assert len(scenes) - video < 25  # half a second waits in a fragment
            says = f"{len(scenes)} lines and {video} frames of video are there and readable"
            node.row("node: SIGKILL", says, None, begun)


def test_a_node_that_is_stopped_for_a_while(rows: Rows, tmp_path: Path, breaking_bundle: Bundle) -> None:
    run = "told/", "--model", breaking_bundle.folder, "--engine", "onnx-cpu"
    with Server("mjpeg", *CAMERA) as camera, Node(rows, tmp_path, camera.url, *run) as node:
        node.sound()
        begun = now()
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(2.0)
        went = now()
        node.process.send_signal(signal.SIGCONT)
        recovered = node.fresh(went, 10.0)
        node.fresh(now() + 1_000_000_000, 10.0)
        report = node.end()
        late = [scene for scene in node.scenes if scene["stamp_ns"] + scene["age_ms"] * 1e6 > went]
        good = [scene for scene in late if scene["status"] == "ok"]
        oldest = max(true_age_ms(scene, tmp_path / "told", camera) for scene in good)
        assert oldest < MAX_AGE_MS + 100  # what waited in the kernel's buffers is not told as new
        assert all(before["sequence"] < after["sequence"] for before, after in pairwise(late))
        says = f"{len(late)} scenes afterwards, {len(late) - len(good)} of them stale; the others at most "
        says += f"{oldest:.0f} ms old"
        node.row("node: SIGSTOP for 2 s", says, None, begun, recovered)
        assert report["published"] == len(node.scenes)


def test_a_wall_clock_that_jumps(rows: Rows, tmp_path: Path, breaking_bundle: Bundle) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(JUMPS)
    run = "told/", "--model", breaking_bundle.folder, "--engine", "onnx-cpu"
    env = {"PYTHONPATH": str(tmp_path / "site")}
    with Server("mjpeg", *CAMERA) as camera, Node(rows, tmp_path, camera.url, *run, env=env) as node:
        node.sound()
        begun = now()
        (tmp_path / "jump").touch()
        recovered = node.fresh(begun, 5.0)
        count = len(node.scenes)
        node.until("scenes", lambda: len(node.scenes) >= count + 20, 10.0)
        node.end()
        scenes = node.scenes[-15:]
        before = [scene for scene in node.scenes if scene["stamp_ns"] < begun][-1]
        assert 7100e9 < before["wall_ns"] - scenes[-1]["wall_ns"] < 7200e9
        assert all(0 <= scene["age_ms"] < 60_000 for scene in scenes)
        assert {scene["status"] for scene in scenes} <= {"ok", "stale"}  # the latter on a busy machine
        assert 0 < scenes[-1]["stamp_ns"] - before["stamp_ns"] < 10e9
        says = "nothing: ages and stamps are by the monotonic clock, wall_ns follows the wall clock"
        node.row("the wall clock goes back by two hours", says, None, begun, recovered)


def test_one_of_two_cameras_dies(rows: Rows, tmp_path: Path, breaking_bundle: Bundle) -> None:
    with Server("mjpeg", *CAMERA) as left, Server("mjpeg", *CAMERA) as right:
        profile = {
            "cameras": {"left": left.url, "right": right.url},
            "sinks": ["{camera}/"],
            "model": str(breaking_bundle.folder),
            "engine": "onnx-cpu",
        }
        (tmp_path / "rig.yaml").write_text(yaml.safe_dump(profile))
        with Node(rows, tmp_path, "--config", "rig.yaml", sink="left") as node:
            node.sound()
            begun = now()
            right.process.kill()
            says, after = node.event(begun, "stream_lost", str(right.info["port"]), 5.0)
            recovered = node.fresh(begun, 3.0)
            node.until("2 s", lambda: node.scenes[-1]["stamp_ns"] > begun + 2e9, 10.0)
            ended = now()  # from here on silence is as it should be
            reports = node.end()
            seen = [scene for scene in node.scenes if scene["stamp_ns"] >= begun]
            gaps = [b["stamp_ns"] - a["stamp_ns"] for a, b in pairwise(seen)]
            assert max(gaps) < 2e9
            assert all(one["camera"] == "left" for one in seen)
            dead = [json.loads(line) for line in (tmp_path / "right/health.jsonl").open()]
            assert [one["signal"] for one in dead if one["stamp_ns"] < ended][-1] == "no signal"
            assert reports["left"]["published"] > reports["right"]["published"]
            says = f"{says}; of the other: nothing"
            node.row("one of two cameras is killed: the other one", says, after, begun, recovered)


class Embedding:
    """The embedding program as a child, and all that it said."""

    def __init__(self, model: Path) -> None:
        self.said: list[Values] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.faults.embedding", str(model)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        self._hearing = Thread(target=self._hear)
        self._hearing.start()

    def _hear(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def first(self, since_ns: int, status: str, within_s: float) -> tuple[Values, float]:
        """What it said first of this status from then on, and after how many seconds."""
        deadline = time.monotonic() + within_s
        while True:
            for one in self.said:
                if one.get("at_ns", 0) >= since_ns and one["status"] == status:
                    return one, (one["at_ns"] - since_ns) / 1e9
            assert time.monotonic() < deadline, f"no {status} within {within_s} s: {self.said[-1:]}"
            time.sleep(0.01)

    def end(self) -> Values:
        self.tell("end")
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self._hearing.join()
        return self.said[-1]

    def __enter__(self) -> "Embedding":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        self._hearing.join()


def test_an_embedding_program_falls_silent(rows: Rows, breaking_bundle: Bundle) -> None:
    with Embedding(breaking_bundle.folder) as program:
        program.first(now(), "ok", 60.0)
        begun = now()
        program.tell("stall")
        stale, aged = program.first(begun, "stale", 3.0)
        assert stale["age_ms"] > MAX_AGE_MS and not stale["unknown"]
        silent, after = program.first(begun, "no_signal", 5.0)
        assert silent["unknown"] and silent["age_ms"] >= 900
        went = now()
        program.tell("go")
        fresh, _ = program.first(went, "ok", 5.0)
        assert fresh["stamp_ns"] >= went
        recovered = (fresh["at_ns"] - went) / 1e9
        report = program.end()
        check_account({**report, "sinks": []})
        says = f"Node.latest(): stale after {aged:.2f} s, then no_signal, all unknown"
        rows.add("push: the embedding program falls silent", says, after, "nothing", recovered)


def test_a_recording_in_real_time_for_a_slow_network(rows: Rows, tmp_path: Path) -> None:
    drive = write_video(tmp_path / "drive.mp4", [picture(index, 192, 320) for index in range(100)])
    slow = write_breaking_bundle(tmp_path / "slow", trips=80_000)
    run = "--realtime", "--model", slow.folder, "--engine", "onnx-cpu", "--workers", 1, "--min-rate", 0
    with Node(rows, tmp_path, drive, "told/", *run) as node:
        begun = now()
        report = node.end(status=0, number=None)
        assert report["captured"] == 100
        assert set(report["dropped"]) == {"superseded"} and report["dropped"]["superseded"] > 20
        assert all((scene["age_ms"] > MAX_AGE_MS) == (scene["status"] == "stale") for scene in node.scenes)
        ages = sorted(scene["age_ms"] for scene in node.scenes)
        says = f"median age {ages[len(ages) // 2]:.0f} ms, {report['stale']} stale"
        node.row("a recording in real time, for a slow network", says, None, begun)
