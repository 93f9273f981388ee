"""The perceiver of the tests of the node."""

import pytest

from perception.bundle.bundle import Bundle
from perception.perceiver import Perceiver


@pytest.fixture(scope="module")
def perceiver(colour_bundle: Bundle) -> Perceiver:
    return Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1)
