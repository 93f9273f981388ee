"""`perception bench --bus`: a sink, and a process that reads from it."""

import io
import json
from pathlib import Path

from rich.console import Console

from perception.app.bench.bus import SUBSCRIBERS, measure_bus
from perception.bundle.bundle import Bundle
from tests.media import write_images


def test_what_is_published_is_received(colour_bundle: Bundle, tmp_path: Path, runtime: Path) -> None:
    source = str(write_images(tmp_path / "drive", 2))
    found = measure_bus("shm:bench", str(colour_bundle.folder), "onnx-cpu", source, 40, [50.0])
    assert [row.subscribed for row in found.rows] == list(SUBSCRIBERS["shm"])
    for row in found.rows:
        assert 0.5 < row.received <= 1  # a busy machine lets a reader miss some
        assert 0 < row.age_ms[0] <= row.age_ms[1] < 1000
        assert row.publish_ms > 0 and 0 < row.read_ms < 20
    assert found.size == (384, 640) and json.loads(json.dumps(found.as_json()))["frames"] == 40
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(found.table())
    assert f"{found.rows[1].received:.1%}" in console.export_text()
    assert not list(runtime.glob("*.sock"))
