"""Nothing speaks to the outside: no file outside what a run was told to write, and no look-up of a name."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perception.bundle.bundle import Bundle
from tests.e2e.faults.table import Rows

COMMAND = Path(sys.executable).with_name("perception")
# With how long they run: ONNX Runtime looked up its maker after 3 to 7 s, OpenVINO as it was imported.
ENGINES = ("onnx-cpu", 8), ("openvino", 2)


def environment(home: Path) -> dict[str, str]:
    """Of a user without any file, outside of any CI, which some libraries are silent in."""
    kept = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | {"HOME": str(home)}


def traced(folder: Path) -> list[str]:
    """A command that writes what the processes say to the network into the file `trace`, where it can."""
    if not shutil.which("strace"):
        return []
    trace = ["strace", "-f", "-qq", "-e", "trace=connect,sendto,sendmsg", "-o", str(folder / "trace")]
    return trace if subprocess.run([*trace, "true"], check=False).returncode == 0 else []


def outside(trace: Path) -> list[str]:
    """The lines that name an address which is not of this machine."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    named = [line for line in lines if re.search(r"sin6?_addr|sin6?_port|nscd", line)]
    return [line for line in named if not re.search(r'"127\.|"::1"|ENOENT', line)]


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(("engine", "seconds"), ENGINES)
def test_a_run_leaves_no_file_and_looks_up_no_name(
    rows: Rows, tmp_path: Path, colour_bundle: Bundle, engine: str, seconds: int
) -> None:
    pytest.importorskip("openvino" if engine == "openvino" else "onnxruntime")
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home, work):
        folder.mkdir()
    begun = time.monotonic_ns()
    sinks = "out/", "out.mp4", "web://127.0.0.1:0"
    run = COMMAND, "run", "sim:?size=320x192", *sinks, "--realtime", "--frames", 25 * seconds
    model = "--model", colour_bundle.folder, "--engine", engine, "--log", "json"
    strace = traced(tmp_path)
    done = subprocess.run(
        [*strace, *map(str, (*run, *model))],
        cwd=work,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (time.monotonic_ns() - begun) / 1e9 >= seconds
    strange = {name for name in files(home) if not name.startswith(".cache/perception/")}
    strange |= {name for name in files(work) if name != "out.mp4" and not name.startswith("out/")}
    assert not strange
    assert not outside(tmp_path / "trace")
    what = "no connection beyond this machine, no look-up" if strace else "look-ups not traced"
    rows.add(
        f"libraries that report to their makers ({engine})", f"nothing: no file, {what}", None, "nothing"
    )


@pytest.mark.parametrize("module", ["perception", "export", "calibration"])
def test_each_package_silences_onnx_runtime_before_it_comes(module: str) -> None:
    code = (
        f"import {module}, os, sys; print(os.environ['ORT_DISABLE_TELEMETRY'], 'onnxruntime' in sys.modules)"
    )
    assert told(code) == "1 False\n"


def test_openvino_finds_nothing_to_send_with_and_others_find_it_again() -> None:
    pytest.importorskip("openvino_telemetry")
    code = """
import sys
from perception.engines.telemetry import without_sender
with without_sender():
    import openvino
from openvino.tools.ovc import telemetry
import openvino_telemetry
print(type(telemetry).__module__, openvino_telemetry.__name__)
"""
    assert told(code) == "openvino.tools.ovc.telemetry_stub openvino_telemetry\n"


def test_a_program_that_was_first_is_told_so(colour_bundle: Bundle) -> None:
    """Nothing can be done about it any more; the stand-in keeps this test from reporting anything."""
    code = f"""
import sys, types
sys.modules["onnxruntime"] = types.ModuleType("onnxruntime")
import perception
from perception.engines.telemetry import warn_if_late
del sys.modules["onnxruntime"]
for _ in range(2):
    perception.Perceiver.load({str(colour_bundle.folder)!r}, "onnx-cpu")
"""
    environ = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr.count("onnxruntime was imported before perception") == 1


def told(code: str) -> str:
    environ = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environ |= {"CI": "true"}  # no test reports anything where this project's own means should fail
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
