"""Fleets as a user runs them: real processes on small drives whose labels are known."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perception.bundle.bundle import Bundle
from tests.media import picture, write_video

pytest.importorskip("duckdb", reason="the extra fleet is not installed")

COMMAND = Path(sys.executable).with_name("perception")
Start = Callable[..., subprocess.Popen[str]]
FleetRun = Callable[..., subprocess.CompletedProcess[str]]
SMALL = 96, 160  # height, width


def write_drive(path: Path, first: int = 0, count: int = 6, rate: int = 10) -> Path:
    """A video of bands in the classes' colours; `first` makes it another one."""
    return write_video(path, [picture(first + index, *SMALL) for index in range(count)], rate=rate)


@pytest.fixture
def start(tmp_path: Path, colour_bundle: Bundle) -> Start:
    """Starts `perception fleet ARGUMENTS` on the colour bundle, in the test's own folder."""

    def start(
        *arguments: object, model: Path = colour_bundle.folder, **options: Any
    ) -> subprocess.Popen[str]:
        words = [COMMAND, "fleet", *arguments, "--engine", "onnx-cpu", "--model", model]
        return subprocess.Popen(
            [*map(str, words)],
            text=True,
            cwd=tmp_path,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    return start


@pytest.fixture
def fleet(start: Start) -> FleetRun:
    """Runs it to its end. No traceback may ever reach the user."""

    def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=240)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run
