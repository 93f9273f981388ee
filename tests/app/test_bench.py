import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from perception.app.bench import measure
from perception.bundle.bundle import Bundle
from perception.errors import SourceError


def test_a_benchmark_measures_the_engine_the_stages_and_the_pipeline(
    colour_bundle: Bundle, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    for i in range(3):
        image = cv2.blur(rng.integers(0, 256, (180, 320, 3), np.uint8), (7, 7))
        cv2.imwrite(str(tmp_path / f"{i}.png"), image)
    benchmark = measure(colour_bundle.folder, "onnx-cpu", str(tmp_path), frames=6)
    assert list(benchmark.stages_ms) == ["prepare", "infer", "decode", "draw"]
    assert min(benchmark.stages_ms.values()) > 0
    assert (benchmark.frame, benchmark.input) == ((180, 320), (352, 640))
    # The sum of medians is not the median of sums, but no far cry from it.
    stages = sum(benchmark.stages_ms[name] for name in ("prepare", "infer", "decode"))
    assert benchmark.perceive_ms == pytest.approx(stages, rel=0.5)
    assert benchmark.embedding_ratio == benchmark.engine_ms / benchmark.perceive_ms
    assert 0 < benchmark.pipeline_fps < benchmark.engine_fps
    assert benchmark.pipeline_ratio == benchmark.pipeline_fps / benchmark.engine_fps
    assert benchmark.cpu_share is not None and 0 < benchmark.cpu_share <= 1
    assert json.loads(json.dumps(benchmark.as_json()))["engine"] == "onnx-cpu"
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(benchmark.table())
    assert f"{benchmark.pipeline_ratio:.1%}" in console.export_text()


def test_a_source_without_a_frame_cannot_be_measured(colour_bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"")
    with pytest.raises(SourceError, match="no frame"):
        measure(colour_bundle.folder, "onnx-cpu", str(tmp_path), frames=2)
