"""Without the packages of a bus: what to install."""

import re
import subprocess
import sys

import pytest

_PROGRAM = """
import sys

sys.modules[sys.argv[1]] = None
from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.sinks.registry import SINKS, open_sink
from perception.sources.registry import SOURCES, open_source

assert "ros2:" in SINKS.grammar() and "zenoh:" in SOURCES.grammar()
try:
    open_source(sys.argv[3]) if sys.argv[2] == "source" else open_sink(sys.argv[3], 30, DRIVE)
except ConfigError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("module", "extra", "role", "uri"),
    [
        ("rclpy", "ros2", "sink", "ros2:/car/front"),
        ("rclpy", "ros2", "source", "ros2:/car/image"),
        ("rosbags", "log", "sink", "zenoh:car/front"),
        ("zenoh", "zenoh", "source", "zenoh:car/front/image"),
    ],
)
def test_the_extra_is_named(module: str, extra: str, role: str, uri: str) -> None:
    command = [sys.executable, "-c", _PROGRAM, module, role, uri]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.fullmatch(rf"{role} {uri} needs {module}, .* extra \[{extra}\]: .*\n", said)
