"""What `import perception` loads, and what it does not."""

import subprocess
import sys
from importlib import import_module

import pytest

import perception

# Of commands, sinks, sources and training; the CRF loads scipy when it is first used.
NOT_TO_PERCEIVE = {
    "aiohttp",
    "av",
    "matplotlib",
    "prometheus_client",
    "rich",
    "scipy",
    "torch",
    "typer",
    "yaml",
}

PERCEIVE = """
import numpy as np
from perception import *
perceiver = Perceiver.load("drive", engine="onnx-cpu", threads=1)
frame = Frame(np.full((320, 576, 3), 128, np.uint8), stamp_ns=0)
draw(frame, perceiver.perceive(frame), perceiver.classes)
"""


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a new interpreter has loaded after that code."""
    code += "\nimport sys\nprint(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.split())


def test_importing_the_package_loads_no_other_one() -> None:
    """Half a second of numpy, cv2 and pydantic is spent by those who use them."""
    loaded = loaded_by("import perception")
    assert "perception" in loaded
    assert loaded <= {*sys.stdlib_module_names, "perception", "__main__", *loaded_by("")}


def test_perceiving_a_frame_loads_what_that_needs_only() -> None:
    loaded = loaded_by(PERCEIVE)
    assert {"numpy", "cv2", "onnxruntime"} <= loaded
    assert not NOT_TO_PERCEIVE & loaded


def test_every_public_name_is_there() -> None:
    """Under `dir`, as an attribute, and by its home's own name, as type checkers see it."""
    assert set(perception.__all__) <= set(dir(perception))
    for name in perception.__all__:
        value = getattr(perception, name)
        assert value.__name__ == name
        assert getattr(import_module(value.__module__), name) is value


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'perception' has no attribute 'Percever'"):
        perception.Percever  # type: ignore[attr-defined]  # noqa: B018
