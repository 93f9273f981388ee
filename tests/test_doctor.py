import io
import json
import shutil
import sys
from pathlib import Path

import pytest
from rich.console import Console

from perception.bundle import Bundle
from perception.doctor import Diagnosis, Finding, Health, diagnose


def finding(diagnosis: Diagnosis, name: str) -> Finding:
    return next(one for one in diagnosis.findings if one.name == name)


def test_a_sound_installation(colour_bundle: Bundle) -> None:
    diagnosis = diagnose(colour_bundle.folder)
    assert not diagnosis.broken
    assert "100.00%" in finding(diagnosis, "engine onnx-cpu").detail
    assert "chooses onnx-" in finding(diagnosis, "engine auto").detail
    assert "3 checksums match" in finding(diagnosis, f"model {colour_bundle.folder}").detail
    assert "opencv-python-headless" in finding(diagnosis, "cv2").detail


def test_the_table_and_the_json_tell_all_findings(colour_bundle: Bundle) -> None:
    diagnosis = diagnose(colour_bundle.folder)
    console = Console(width=900, record=True, file=io.StringIO())
    console.print(diagnosis.table())
    text = console.export_text()
    data = json.loads(json.dumps(diagnosis.as_json()))
    assert data["broken"] is False
    for one in data["findings"]:
        assert one["name"] in text
        assert one["detail"] in text


def test_two_builds_of_one_module_are_found(
    colour_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "onnxruntime_gpu-1.22.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: onnxruntime-gpu\nVersion: 1.22.0\n")
    (info / "top_level.txt").write_text("onnxruntime\n")
    monkeypatch.syspath_prepend(tmp_path)
    found = finding(diagnose(colour_bundle.folder), "onnxruntime")
    assert found.health is Health.BROKEN
    assert "pip uninstall onnxruntime onnxruntime-gpu" in found.detail


def test_a_missing_runtime_is_broken_and_says_what_to_install(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    diagnosis = diagnose(colour_bundle.folder)
    assert diagnosis.broken
    assert finding(diagnosis, "onnxruntime").health is Health.BROKEN
    assert finding(diagnosis, "engine onnx-cpu").health is Health.ABSENT
    assert finding(diagnosis, "engine auto").health is Health.BROKEN
    assert "[cpu]" in finding(diagnosis, "engine auto").detail


def test_an_altered_bundle_is_broken(colour_bundle: Bundle, tmp_path: Path) -> None:
    folder = shutil.copytree(colour_bundle.folder, tmp_path / "altered")
    (folder / "model.onnx").write_bytes(b"")
    diagnosis = diagnose(folder)
    assert diagnosis.broken
    assert "model.onnx: sha256 is" in finding(diagnosis, f"model {folder}").detail
