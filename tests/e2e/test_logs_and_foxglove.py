"""`perception run` into logs and for Foxglove."""

import asyncio
import json
import re
import signal
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tests.e2e.conftest import Perception, Start
from tests.mcap_reading import Logged, pixels, read_log
from tests.media import read_image, truth, write_images
from tests.sinks.foxglove_viewer import connected


def on(found: list[Logged], topic: str) -> list[Logged]:
    return [one for one in found if one.topic == topic]


def test_a_log_holds_what_a_folder_holds(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 6)
    done = run("drive", "out/", "out.mcap")
    assert done.returncode == 0, done.stderr
    found = read_log(tmp_path / "out.mcap")
    lines = [json.loads(line) for line in (tmp_path / "out/scenes.jsonl").open()]
    assert [one.value for one in on(found, "/front/scene")] == lines and len(lines) == 6
    for channel, kind in (("labels", np.uint8), ("instances", np.uint16)):
        maps = [pixels(one.value) for one in on(found, f"/front/{channel}")]
        for index, ids in enumerate(maps):
            np.testing.assert_array_equal(ids, read_image(tmp_path / f"out/{index:04d}.{channel}.png"))
            assert ids.dtype == kind
    assert [one.log_ns for one in on(found, "/front/labels")] == [40_000_000 * n for n in range(6)]
    assert on(found, "/front/health") and len(on(found, "/front/classes")) == 1


def test_each_camera_has_a_log_of_its_own(run: Perception, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 3)
    (tmp_path / "two.yaml").write_text(json.dumps({"cameras": {"left": "drive/", "right": "drive/"}}))
    done = run("--config", "two.yaml", "logs/{camera}.mcap")
    assert done.returncode == 0, done.stderr
    for camera in ("left", "right"):
        found = read_log(tmp_path / f"logs/{camera}.mcap")
        assert {one.topic.split("/")[1] for one in found} == {camera}
        assert len(on(found, f"/{camera}/scene")) == 3


def test_a_viewer_follows_a_recording_in_real_time(start: Start, tmp_path: Path) -> None:
    write_images(tmp_path / "drive", 4)
    process = start("drive", "foxglove://127.0.0.1:0", "--realtime", "--loop", "--max-age", "60000")
    try:
        assert process.stderr is not None
        port = next(
            found[1] for line in process.stderr if (found := re.search(r"ws://127\.0\.0\.1:(\d+)", line))
        )

        async def watch() -> None:
            # The SDK tells viewers of a new channel before it takes subscriptions to it: the first one looks
            # when the channels are there, the second one subscribes.
            async with connected(f"foxglove://127.0.0.1:{port}") as viewer:
                await viewer.channel("/front/classes")
            async with connected(f"foxglove://127.0.0.1:{port}") as viewer:
                await viewer.subscribe("/front/classes", "/front/labels", "/front/scene")
                seen: list[npt.NDArray[np.generic]] = []
                numbers: list[int] = []
                while len(numbers) < 8 or len(seen) < 8:
                    topic, _, value = await viewer.next()
                    if topic == "/front/labels":
                        seen.append(pixels(value))
                    elif topic == "/front/scene":
                        numbers.append(value["sequence"])
                assert sorted(set(numbers)) == numbers
                truths = [truth(index).tobytes() for index in range(4)]
                assert {ids.tobytes() for ids in seen} <= set(truths)

        asyncio.run(asyncio.wait_for(watch(), 60))
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert "Traceback" not in said and process.returncode == 130, said
