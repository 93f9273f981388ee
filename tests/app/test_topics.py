"""`perception topics`: what a recording holds, and what a run would read of it."""

import json
from pathlib import Path

from foxglove_schemas_protobuf.CameraCalibration_pb2 import CameraCalibration
from foxglove_schemas_protobuf.CompressedImage_pb2 import CompressedImage
from typer.testing import CliRunner

from perception.app.cli import app
from perception.app.topics import Topics
from tests.sources.logs import START_NS, TOPIC, McapLog, protobuf, shots, write_mcap


def told(path: Path) -> dict[str, object]:
    result = CliRunner().invoke(app, ["topics", str(path), "--json"])
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_one_topic_with_pictures_is_what_a_run_reads(tmp_path: Path) -> None:
    found = told(write_mcap(tmp_path / "x.mcap", shots(5)))
    assert found["read"] == TOPIC
    assert found["topics"] == [
        {"topic": TOPIC, "type": "foxglove.CompressedImage", "messages": 5, "rate": 19.99999960000001}
    ]
    assert found["start_ns"] == START_NS + 7_000_003
    assert found["duration_s"] == 0.200000004
    shown = CliRunner().invoke(app, ["topics", str(tmp_path / "x.mcap")], env={"COLUMNS": "120"}).stdout
    assert f"begins 2023-11-14 22:13:20.130+00:00, 0.200 s; reads {TOPIC}" in shown
    assert [cell.strip() for cell in shown.splitlines()[3].split("│")[1:5]] == [
        TOPIC,
        "foxglove.CompressedImage",
        "5",
        "20.0",
    ]


def test_a_clock_that_counts_from_a_start_is_no_date() -> None:
    words = [
        str(Topics([], ns, ns + 10**9, "/front", "", []).table().caption)
        for ns in (0, 86_400 * 10**9, 1_700_000_000 * 10**9)
    ]
    assert words == [
        "begins at 0.000 s (no wall clock), 1.000 s; reads /front",
        "begins at 86400.000 s (no wall clock), 1.000 s; reads /front",
        "begins 2023-11-14 22:13:20.000+00:00, 1.000 s; reads /front",
    ]


def test_several_topics_leave_the_choice(tmp_path: Path) -> None:
    log = McapLog(tmp_path / "x.mcap")
    for shot in shots(3):
        for topic in ("/right", "/left"):
            log.add(
                topic, shot.log_ns, protobuf(CompressedImage, shot.stamp_ns, data=shot.data, format="png")
            )
    log.add("/info", shot.log_ns, CameraCalibration())
    found = told(log.close())
    assert found["read"] is None
    topics = found["topics"]
    assert isinstance(topics, list)
    assert [(one["topic"], one["messages"]) for one in topics] == [("/info", 1), ("/left", 3), ("/right", 3)]
    shown = CliRunner().invoke(app, ["topics", str(tmp_path / "x.mcap")]).stdout
    assert "?topic=" in shown


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    for name in ("x.mp4", "none.mcap"):
        (tmp_path / "x.mp4").write_bytes(b"")
        result = CliRunner().invoke(app, ["topics", str(tmp_path / name)])
        assert result.exit_code == 1
        assert name in str(result.exception)
