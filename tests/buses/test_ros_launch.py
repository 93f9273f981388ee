"""launch/perception.launch.py, with stand-ins for ROS's package `launch`, which is not on PyPI."""

import runpy
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from perception.app.config import RunConfig
from perception.sinks.registry import SINKS
from perception.sources.registry import SOURCES

FILE = Path(__file__).parents[2] / "launch" / "perception.launch.py"


@pytest.fixture
def file(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    for name, members in {
        "launch": ["LaunchDescription"],
        "launch.actions": ["DeclareLaunchArgument", "ExecuteProcess"],
        "launch.substitutions": ["LaunchConfiguration"],
    }.items():
        module = ModuleType(name)
        for member in members:
            setattr(module, member, lambda *given, **named: SimpleNamespace(given=given, **named))
        monkeypatch.setitem(sys.modules, name, module)
    return runpy.run_path(str(FILE))


def test_it_runs_what_perception_run_understands(file: dict[str, Any]) -> None:
    *declared, process = file["generate_launch_description"]().given[0]
    defaults = {one.given[0]: one.default_value for one in declared}
    words = [word if isinstance(word, str) else defaults[word.given[0]] for word in process.cmd]
    command, run, source, sink, option, model = words
    assert (command, run, option) == ("perception", "run", "--model")
    assert SOURCES.parse(source).uri.place == "/camera/image/compressed"
    assert SINKS.parse(sink).uri.place == "/car/front"
    assert model == RunConfig.model_fields["model"].default
