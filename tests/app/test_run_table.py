import io
import re

from rich.console import Console

from perception.app.run_table import run_table
from perception.health.types import SinkState
from perception.node.report import Report, StageReport


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
    console.print(run_table(report))
    text = console.export_text()
    assert "drive 1 on onnx-cpu (fastest that runs here; not: onnx-cuda)\n" in " ".join(text.split(" "))
    assert "onnx-cuda: why" not in text
    assert re.search(r"ms a frame .* p50 .* p95 .* p99 .* CPU time", text)
    assert re.search(r"infer .* 1.50 .* 2.50 .* 3.50 .* 4.50", text)
    assert "3 captured = 2 published, 1 of them stale + 1 dropped" in text
    assert "b.mp4: 1 written, 1 lost: queue full" in text
    assert "frame 1: gone" in text
    assert report.as_json()["engines_passed_over"] == ("onnx-cuda: why",)
