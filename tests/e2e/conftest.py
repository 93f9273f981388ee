"""The installed `perception` command, as a user runs it."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perception.bundle.bundle import Bundle
from tests.e2e.faults.bundles import write_breaking_bundle
from tests.e2e.faults.table import Record, Rows

COMMAND = Path(sys.executable).with_name("perception")
Start = Callable[..., subprocess.Popen[str]]
Perception = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def start(colour_bundle: Bundle, tmp_path: Path) -> Start:
    """Starts `perception run ARGUMENTS` on the colour bundle, in the test's own folder."""

    def start(
        *arguments: object, model: Path = colour_bundle.folder, **options: Any
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [COMMAND, "run", *map(str, arguments), "--model", str(model)],
            text=True,
            cwd=tmp_path,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    return start


@pytest.fixture
def run(start: Start) -> Perception:
    """Runs it to its end. No traceback may ever reach the user."""

    def run(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
        process = start(*arguments, **options)
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture(scope="session")
def breaking_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle of `write_breaking_bundle`; do not change its files."""
    return write_breaking_bundle(tmp_path_factory.mktemp("models") / "breaking")


@pytest.fixture
def rows(record_property: Record) -> Rows:
    """Takes the rows of the table of faults."""
    return Rows(record_property)


@pytest.fixture
def arguments(breaking_bundle: Bundle) -> tuple[object, ...]:
    """Of a node whose scenes and health are told in a folder."""
    return "told/", "--model", breaking_bundle.folder, "--engine", "onnx-cpu"
