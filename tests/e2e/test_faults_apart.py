"""A fault of one camera of several stays its own, and a pause of the whole process is nobody's fault."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import yaml

from perception.bundle.bundle import Bundle
from tests.e2e.faults.bundles import HANGS, write_breaking_bundle
from tests.e2e.faults.node import Lines, Node, Values, check_account, reasons
from tests.e2e.faults.table import Rows
from tests.e2e.faults.viewer import ask, free_port
from tests.servers.control import Server

CAMERA = "--size", "160x96", "--rate", "25"
now = time.monotonic_ns
# A fault that nobody foresaw, in what is published of the camera `right`, once the file is there.
BREAKS = """
import os
from perception.node.postprocess import Postprocess
finish = Postprocess.finish
def broken(self, frame, scene, *others):
    now = frame.camera == "right" and os.path.exists("break")
    return finish(self, frame, None if now else scene, *others)
Postprocess.finish = broken
"""


@contextmanager
def rig(
    rows: Rows, folder: Path, bundle: Bundle, *arguments: object, site: str = ""
) -> Iterator[tuple[Node, Server, int]]:
    """A node of two cameras with their page; the camera `right`, and the page's port."""
    port = free_port()
    (folder / "site").mkdir()
    (folder / "site/sitecustomize.py").write_text(site)
    with Server("mjpeg", *CAMERA) as left, Server("mjpeg", *CAMERA) as right, ExitStack() as stack:
        profile = {
            "cameras": {"left": left.url, "right": right.url},
            "sinks": ["{camera}/", f"web://127.0.0.1:{port}"],
            "model": str(bundle.folder),
            "engine": "onnx-cpu",
        }
        (folder / "rig.yaml").write_text(yaml.safe_dump(profile))
        env = {"PYTHONPATH": f"{folder / 'site'}:{Path(__file__).parents[2]}"}
        run = "--config", "rig.yaml", *arguments
        yield stack.enter_context(Node(rows, folder, *run, sink="left", env=env)), right, port


def healths(folder: Path, camera: str) -> list[Values]:
    return Lines(folder / camera / "health.jsonl").read()


def test_a_pause_of_the_whole_process_is_no_hang(rows: Rows, tmp_path: Path, breaking_bundle: Bundle) -> None:
    """Four frames are at work as it begins, each for as long as the pause once it is over."""
    run = "told/", "--model", breaking_bundle.folder, "--engine", "onnx-cpu", "--workers", 4
    with (
        Server("mjpeg", "--size", "640x384", "--rate", 60) as camera,
        Node(rows, tmp_path, camera.url, *run, "--give-up", 6) as node,
    ):
        node.sound()
        begun = now()
        node.process.send_signal(signal.SIGSTOP)
        time.sleep(7.0)
        went = now()
        node.process.send_signal(signal.SIGCONT)
        recovered = node.fresh(went, 10.0)
        node.fresh(now() + 1_000_000_000, 10.0)
        report = node.end()
        assert report["restarts"] == 0
        assert not [event for event in node.events if event.get("event") == "worker_hung"]
        says = "nothing: no call hung, and no camera was silent, while nothing ran"
        node.row("node: SIGSTOP for 7 s, 4 workers, --give-up 6", says, None, begun, recovered)


def test_frames_of_one_camera_that_hang_end_that_one_alone(
    rows: Rows, tmp_path: Path, breaking_bundle: Bundle
) -> None:
    with rig(rows, tmp_path, breaking_bundle, "--workers", 2) as (node, right, port):
        node.sound()
        node.until("the other camera", (tmp_path / "right/scenes.jsonl").exists, 30.0)
        begun = now()
        right.tell(f"colour {HANGS}")
        says, after = node.event(begun, "camera_broken", "right: the engine hung", 40.0)
        recovered = node.fresh(now(), 5.0)
        seen = [one for one in node.scenes if one["stamp_ns"] >= begun]
        gaps = [b["stamp_ns"] - a["stamp_ns"] for a, b in pairwise(seen)]
        assert max(gaps) < 3e9  # a second until its threads are replaced, on a busy machine more
        last = healths(tmp_path, "right")[-1]
        assert last["level"] == "error" and reasons(last, "ended", "the engine hung 3 times in a row")
        time.sleep(6)  # until a node that reports nothing any more would count as hung
        assert ask(port, "/livez")[0] == 200
        # On a busy machine the other one may just be late.
        node.until("one is named", lambda: set(ask(port, "/readyz")[1]["reasons"]) == {"right"}, 30.0)
        assert ask(port, "/readyz")[0] == 503
        reports = node.end(status=1)
        assert reports["left"]["restarts"] == 0 and reports["left"]["published"] > 100
        node.row("the engine hangs on the frames of one of two cameras", says, after, begun, recovered)


def test_a_fault_that_nobody_foresaw_ends_one_camera_and_is_told(
    rows: Rows, tmp_path: Path, breaking_bundle: Bundle
) -> None:
    with rig(rows, tmp_path, breaking_bundle, site=BREAKS) as (node, _, port):
        node.sound()
        node.until("the other camera", (tmp_path / "right/scenes.jsonl").exists, 30.0)
        begun = now()
        (tmp_path / "break").touch()
        says, after = node.event(begun, "camera_broken", "fault of this program", 5.0)
        told = [event for event in node.events if event.get("event") == "camera_broken"]
        assert all(event["camera"] == "right" and event["level"] == "error" for event in told)
        assert any("Traceback" in event["message"] and "finish" in event["message"] for event in told)
        recovered = node.fresh(now(), 5.0)
        last = healths(tmp_path, "right")[-1]
        assert last["state"] == "error" and reasons(last, "ended", "AttributeError")
        known = ask(port, "/health")[1]["cameras"]
        assert known["right"]["level"] == "error" and known["left"]["level"] != "error"
        node.process.send_signal(signal.SIGTERM)
        assert node.process.stdout is not None
        reports = json.loads(node.process.stdout.read())
        assert node.process.wait(30) == 1
        assert "1 of 2 cameras broke: right" in node.said
        for report in reports.values():
            check_account({**report, "sinks": []})
        says = says.splitlines()[0]
        node.row("a fault of the program in one of two cameras", says, after, begun, recovered)


def test_four_cameras_on_too_few_cores_have_the_same_quality(rows: Rows, tmp_path: Path) -> None:
    """Whose threads are shared, and which are too few for all at full quality."""
    names, slow = [f"camera{number}" for number in range(4)], write_breaking_bundle(tmp_path / "slow", 80_000)
    with ExitStack() as stack:
        cameras = {name: stack.enter_context(Server("mjpeg", *CAMERA)).url for name in names}
        profile = {"cameras": cameras, "sinks": ["{camera}/"], "model": str(slow.folder)}
        (tmp_path / "rig.yaml").write_text(yaml.safe_dump(profile))
        run = "--config", "rig.yaml", "--engine", "onnx-cpu", "--workers", 2, "--min-rate", 24
        node = stack.enter_context(Node(rows, tmp_path, *run, sink=names[0]))
        begun = now()
        node.event(begun, "step", "stepped down", 90.0)
        stepped = now()
        node.until("steps", lambda: now() - stepped > 8e9, 30.0)
        reports = node.end()
        for report in reports.values():
            check_account(report)
        steps = {name: {one["step"] for one in healths(tmp_path, name)} for name in names}
        assert all(one == steps[names[0]] for one in steps.values()), steps
        assert len(steps[names[0]]) > 1
        published = [reports[name]["published"] for name in names]
        assert min(published) > 0.6 * max(published), published
        says = f"all step down together; published: {', '.join(map(str, sorted(published)))}"
        node.row("4 cameras, too few cores for them", says, None, begun)
