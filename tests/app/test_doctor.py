import io
import json
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from rich.console import Console

from perception.app import doctor
from perception.app.doctor import Diagnosis, Finding, Health, diagnose
from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.engines import registry as engines
from perception.engines.base import Engine, OnBuild
from perception.engines.cuda import Gpu
from perception.engines.registry import ENGINES, open_engine
from perception.errors import BundleError, EngineError


def finding(diagnosis: Diagnosis, name: str) -> Finding:
    return next(one for one in diagnosis.findings if one.name == name)


def test_a_sound_installation(colour_bundle: Bundle) -> None:
    diagnosis = diagnose(colour_bundle.folder)
    assert not diagnosis.broken
    assert "100.00%" in finding(diagnosis, "engine onnx-cpu").detail
    assert finding(diagnosis, "engine auto").detail.startswith("chooses ")
    assert "cores to use" in finding(diagnosis, "cpu").detail
    assert f"onnxruntime {version('onnxruntime')}" in finding(diagnosis, "runtimes").detail
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
        assert one["detail"].removeprefix(f"{one['name'].removeprefix('engine ')} cannot run: ") in text


def test_what_several_have_in_common_is_said_once_in_80_columns() -> None:
    driver = "there is no NVIDIA driver here (libcuda.so.1: cannot open shared object file): install it"
    lines = Diagnosis(
        (
            Finding("gpu", Health.ABSENT, driver),
            Finding("engine cuda", Health.ABSENT, f"cuda cannot run: {driver}"),
            Finding("engine cpu", Health.GOOD, "golden run: 100%"),
            Finding("engine slow", Health.BROKEN, f"{'/deep' * 40}/golden.npz: wrong"),
        )
    )
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(lines.table())
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= 80
    words = " ".join(text.split())
    assert words.startswith(f"absent gpu, engine cuda: {driver} good engine cpu: golden run: 100% broken")
    assert words.replace(" ", "").endswith("/deep" * 40 + "/golden.npz:wrong")  # folded, and whole


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
    monkeypatch.setitem(sys.modules, "openvino", None)
    diagnosis = diagnose(colour_bundle.folder)
    assert diagnosis.broken
    assert finding(diagnosis, "onnxruntime").health is Health.BROKEN
    assert finding(diagnosis, "engine onnx-cpu").health is Health.ABSENT
    assert finding(diagnosis, "engine auto").health is Health.BROKEN
    assert "[cpu]" in finding(diagnosis, "engine auto").detail


def test_extras_of_logs_and_buses_are_told(colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "perception.app.doctor.missing", lambda modules: [m for m in modules if m in {"rclpy", "ray"}]
    )
    diagnosis = diagnose(colour_bundle.folder)
    assert not diagnosis.broken
    lacking = finding(diagnosis, "topics of ROS 2 (ros2:/car/front)")
    assert lacking.health is Health.ABSENT and "no rclpy" in lacking.detail and "[ros2]" in lacking.detail
    assert finding(diagnosis, "an MCAP log (out.mcap)").health is Health.GOOD
    assert finding(diagnosis, "perception fleet, perception mine").health is Health.GOOD
    assert "[fleet-ray]" in finding(diagnosis, "perception fleet --ray").detail


def test_an_altered_bundle_is_broken(colour_bundle: Bundle, tmp_path: Path) -> None:
    folder = shutil.copytree(colour_bundle.folder, tmp_path / "altered")
    (folder / "model.onnx").write_bytes(b"")
    diagnosis = diagnose(folder)
    assert diagnosis.broken
    assert "model.onnx: sha256 is" in finding(diagnosis, f"model {folder}").detail


def test_gpus_are_told_and_that_there_is_none(colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_gpu", lambda: Gpu("GPU 7", (9, 0), "580.95", 13010))
    found = finding(diagnose(colour_bundle.folder), "gpu")
    assert found.health is Health.GOOD
    assert found.detail == "GPU 7, compute capability 9.0, driver 580.95, CUDA up to 13.1"

    def missing() -> Gpu:
        raise EngineError("there is no NVIDIA driver here")

    monkeypatch.setattr(doctor, "find_gpu", missing)
    found = finding(diagnose(colour_bundle.folder), "gpu")
    assert (found.health, found.detail) == (Health.ABSENT, "there is no NVIDIA driver here")


def test_each_engine_has_its_reason(colour_bundle: Bundle) -> None:
    """The one that asking for it by name gives."""
    diagnosis = diagnose(colour_bundle.folder)
    for name in ENGINES:
        found = finding(diagnosis, f"engine {name}")
        if found.health is Health.ABSENT:
            with pytest.raises((EngineError, BundleError)) as refusal:
                open_engine(colour_bundle, name)
            assert found.detail == str(refusal.value)


def test_nothing_is_built_for_a_diagnosis(colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def opener(bundle: Bundle, threads: int, precision: Precision, on_build: OnBuild | None) -> Engine:
        assert on_build is not None
        on_build("building tensorrt for colour", 0.0)
        raise AssertionError("it was built")

    monkeypatch.setitem(engines._TABLE, "tensorrt", (opener, Precision.FLOAT32))
    found = finding(diagnose(colour_bundle.folder), "engine tensorrt")
    assert found.health is Health.ABSENT
    assert found.detail.startswith("not built yet, but can be: building tensorrt for colour takes minutes")
