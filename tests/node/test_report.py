import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from perception.health.latency import Latency
from perception.health.types import SinkState
from perception.node.report import Report, StageReport


@given(st.lists(st.floats(0.01, 1e5), min_size=1, max_size=300), st.sampled_from([50, 95, 99]))
def test_percentiles_are_exact_to_one_percent(durations: list[float], percent: int) -> None:
    latency = Latency()
    for ms in durations:
        latency.add(ms)
    exact = float(np.percentile(durations, percent, method="inverted_cdf"))
    assert latency.percentile(percent) == pytest.approx(exact, rel=0.011)


def test_the_table_says_in_short_what_the_json_says_in_full() -> None:
    report = Report(
        source="a.mp4",
        sinks=(SinkState("b.mp4", 1, {"queue full": 1}),),
        model="drive 1",
        engine="onnx-cpu",
        engine_reason="fastest that runs here; not: onnx-cuda",
        engines_passed_over=("onnx-cuda: why",),
        captured=3,
        published=2,
        stale=1,
        dropped={"superseded": 1},
        messages=("frame 1: gone",),
        seconds=1.0,
        fps=2.0,
        cores=2,
        cpu_share=0.5,
        process_cpu_share=0.6,
        stages={"infer": StageReport(1.5, 2.5, 3.5, 4.5), "end_to_end": StageReport(5.0, 6.0, 7.0, None)},
    )
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(report.table())
    text = console.export_text()
    assert "drive 1 on onnx-cpu (fastest that runs here; not: onnx-cuda)\n" in " ".join(text.split(" "))
    assert "onnx-cuda: why" not in text
    assert re.search(r"ms a frame .* p50 .* p95 .* p99 .* CPU time", text)
    assert re.search(r"infer .* 1.50 .* 2.50 .* 3.50 .* 4.50", text)
    assert "3 captured = 2 published, 1 of them stale + 1 dropped" in text
    assert "b.mp4: 1 written, 1 lost: queue full" in text
    assert "frame 1: gone" in text
    assert report.as_json()["engines_passed_over"] == ("onnx-cuda: why",)


def test_nothing_measured_is_zero() -> None:
    assert Latency().percentile(99) == 0
    assert Latency().count == 0


def test_extremes_are_counted() -> None:
    latency = Latency()
    latency.add(0.0)
    latency.add(1e12)
    assert latency.count == 2
