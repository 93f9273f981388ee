import io
import re
from dataclasses import replace

import pytest
from rich.console import Console

from perception.app.run_table import run_table
from perception.health.types import SinkState
from perception.node.report import Report, StageReport
from perception.node.seen import RoadUsers, Seen

REPORT = Report(
    source="a.mp4",
    sinks=(SinkState("b.mp4", 1, {"queue full": 1}), SinkState("labels/", 200, {})),
    model="drive 1",
    engine="onnx-cpu",
    engine_reason="fastest that runs here; not: onnx-cuda",
    engines_passed_over=("onnx-cuda: why",),
    captured=201,
    published=200,
    stale=1,
    dropped={"superseded": 1},
    messages=("frame 1: gone",),
    seconds=1.0,
    fps=2.0,
    cores=2,
    cpu_share=0.5,
    process_cpu_share=0.6,
    stages={"infer": StageReport(1.5, 2.5, 3.5, 4.5), "end_to_end": StageReport(5.0, 6.0, 7.0, None)},
    unreliable=5,
    findings={"over_exposed": 4, "black": 2},
    seen=Seen({"vehicle": RoadUsers(1042, 198, 41), "two_wheeler": RoadUsers(2, 1, 1)}, 190, 180),
)


def shown(report: Report) -> str:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(run_table(report))
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    return re.sub(" *\n", "\n", re.sub(" +", " ", text))


def test_the_report_says_what_ran_and_what_it_cost() -> None:
    text = shown(REPORT)
    assert "engine drive 1 on onnx-cpu: fastest that runs here\n" in text
    assert "onnx-cuda" not in text  # why: perception doctor
    assert "engine drive 1 on onnx-cpu\n" in shown(replace(REPORT, engine_reason="asked for"))
    assert REPORT.as_json()["engines_passed_over"] == ("onnx-cuda: why",)
    assert re.search(r"ms a frame .* p50 .* p95 .* p99 .* CPU time", text)
    assert re.search(r"infer .* 1.50 .* 2.50 .* 3.50 .* 4.50", text)
    assert "frames 201 captured = 200 published + 1 dropped\n" in text and "drops 1 superseded\n" in text
    assert text.endswith("frame 1: gone\n")
    assert "cpu 60% of 2 cores, 50% in the stages\n" in text
    assert "cpu 60% of 2 cores; of the network's part nothing is known" in shown(
        replace(REPORT, cpu_share=None)
    )
    assert "source front a.mp4\n" in text


def test_the_report_ends_with_what_was_seen_and_where_it_lies() -> None:
    text = " ".join(shown(REPORT).split())
    assert (
        "seen vehicle: 41 tracks, in 198 of 200 frames, 5.2 a frame "
        "two wheeler: 1 track, in 1 of 200 frames, 0.0 a frame "
        "lanes in 190 of 200 frames, the ego lane in 180 "
        "trust 6 of 200 frames (3%) are not to be trusted: 1 stale, 5 unreliable; "
        "pictures 4 over exposed, 2 black "
        "sinks b.mp4: 1 written, 1 lost: queue full labels/: 200 written"
    ) in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"published": 1}, "seen vehicle: 1042 two wheeler: 2"),
        ({"seen": Seen({"vehicle": RoadUsers(100, 50, 0)}, 0, 0)}, "in 50 of 200 frames, 0.5 a frame no"),
        ({"seen": Seen({}, None, None)}, "seen no road users trust"),
        ({"stale": 0, "unreliable": 0, "findings": {}}, "trust all frames"),
        ({"not_ready": 194, "findings": {}}, "(100%) are not to be trusted: 1 stale, 5 unreliable, 194"),
    ],
)  # fmt: skip
def test_what_was_seen_in_other_runs(changes: dict[str, object], words: str) -> None:
    assert words in " ".join(shown(replace(REPORT, **changes)).split())  # type: ignore[arg-type]


def test_of_nothing_there_is_nothing_to_say() -> None:
    assert "seen" not in shown(replace(REPORT, seen=Seen()))  # as of a network for depth
    none = shown(replace(REPORT, published=0, stages={}))
    assert "seen" not in none and "trust" not in none and "ms a frame" not in none
