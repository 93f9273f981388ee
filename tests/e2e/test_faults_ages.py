"""No answer of the page is older than it says, whatever is stuck: asked of the node as a process."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import psutil
from aiohttp import ClientError, ClientSession, TCPConnector

from perception.bundle.bundle import Bundle
from tests.e2e.faults.bundles import HANGS
from tests.e2e.faults.node import Node
from tests.e2e.faults.table import Rows
from tests.e2e.faults.viewer import free_port
from tests.servers.control import Server

CAMERA = "--size", "1280x720", "--rate", "15"
MAX_AGE_MS = 250.0  # of scenes of live cameras
BUSY_MS = 4000.0  # for an answer to come here, on a machine whose cores the engine that hangs has taken
AT_ONCE, MOST_MB = 300, 250  # their frames alone would be 830
MS = 1e6
now = time.monotonic_ns


class Answers:
    """What the page said of the newest scene, each with when the answer had come."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self.scenes: dict[str, list[tuple[int, dict[str, Any]]]] = {"/frame.jpg": [], "/health": []}
        self.ready: list[tuple[int, bool]] = []

    async def ask(self, path: str, session: ClientSession) -> None:
        async with session.get(self._url + path) as answer:
            body = await answer.read()
            at = now()
            if path == "/frame.jpg" and answer.status == 503:  # many wait for one already
                return
            if path == "/readyz":
                self.ready.append((at, answer.status == 200))
                return
            known = answer.headers["X-Scene"] if path == "/frame.jpg" else body
            scene = json.loads(known)
            self.scenes[path].append((at, scene if path == "/frame.jpg" else scene["scenes"]["front"]))

    async def for_seconds(self, seconds: float) -> None:
        """Ask one after the other, and in the middle for very many pictures at once."""
        async with ClientSession(connector=TCPConnector(limit=0)) as session:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for path in ("/readyz", "/health", "/frame.jpg"):
                    await self.ask(path, session)
            many = (self.ask("/frame.jpg", session) for _ in range(AT_ONCE))
            for answer in await asyncio.gather(*many, return_exceptions=True):  # there are places for fewer
                assert answer is None or isinstance(answer, ClientError)


def test_no_answer_is_older_than_it_says_with_the_engine_stuck(
    rows: Rows, tmp_path: Path, breaking_bundle: Bundle
) -> None:
    port = free_port()
    run = "told/", f"web://127.0.0.1:{port}", "--model", breaking_bundle.folder, "--engine", "onnx-cpu"
    with (
        Server("mjpeg", *CAMERA) as camera,
        Node(rows, tmp_path, camera.url, *run, "--workers", 1, "--min-rate", 0) as node,
    ):
        node.sound()
        process, answers = psutil.Process(node.process.pid), Answers(port)
        begun = now()
        camera.tell(f"colour {HANGS}")
        before = process.memory_info().rss
        asyncio.run(answers.for_seconds(3.0))
        grown = (process.memory_info().rss - before) / 1e6
        last = node.scenes[-1]
        captured = {scene["sequence"]: scene["stamp_ns"] for scene in node.scenes}
        assert now() - last["stamp_ns"] > 3e9  # it was stuck all the time
        for path, told in answers.scenes.items():
            for at, scene in told:
                age_ms = (at - captured[scene["sequence"]]) / MS
                assert age_ms - BUSY_MS < scene["age_ms"] <= age_ms + 1, (path, scene, age_ms)
                assert (scene["status"] == "ok") <= (scene["age_ms"] <= MAX_AGE_MS), (path, scene)
        late = begun + (MAX_AGE_MS + BUSY_MS) * MS
        assert not any(ready for at, ready in answers.ready if at > late)
        pictures = answers.scenes["/frame.jpg"]
        assert pictures and grown < MOST_MB
        oldest = max(scene["age_ms"] for _, scene in pictures)
        says = (
            f"/frame.jpg, /health, /readyz: stale after {MAX_AGE_MS:.0f} ms, up to {oldest:.0f} ms, as old "
        )
        says += f"as they are, in {len(pictures)} pictures; memory grows by {max(grown, 0):.0f} MB"
        node.row("the engine is stuck, and 300 ask for the picture at once", says, None, begun)
