"""Several nodes beside each other: what one raises is told, and ends no other."""

import logging
from types import SimpleNamespace
from typing import cast

import pytest

from perception.errors import PerceptionError, SourceError
from perception.node.node import Node
from perception.node.rig import Rig


class Ends:
    """A node that ends so."""

    def __init__(self, camera: str, error: Exception | None = None) -> None:
        self.camera, self._error, self.ran = camera, error, False

    def run(self) -> None:
        self.ran = True
        if self._error is not None:
            raise self._error


def rig(*nodes: Ends) -> Rig:
    return Rig([cast(Node, node) for node in nodes])


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, bool]]:
    """Camera, first line, and whether the log says where, of each camera that broke."""
    records = [cast(SimpleNamespace, one) for one in caplog.records if hasattr(one, "camera")]
    return [(one.camera, one.getMessage().splitlines()[0], bool(one.exc_info)) for one in records]


def test_a_single_nodes_error_is_raised_as_it_is() -> None:
    error = SourceError("source x: broke")
    one = rig(Ends("front", error))
    with pytest.raises(SourceError) as raised:
        one.run()
    assert raised.value is error
    assert one.failures == {"front": error}
    rig(Ends("front")).run()


@pytest.mark.parametrize("others", [0, 1])
def test_what_nobody_foresaw_is_logged_with_where(caplog: pytest.LogCaptureFixture, others: int) -> None:
    caplog.set_level(logging.ERROR, "perception.rig")
    well = [Ends("left") for _ in range(others)]
    with pytest.raises(PerceptionError) as raised:
        rig(Ends("right", ZeroDivisionError("by hand")), *well).run()
    assert "right" in str(raised.value)
    assert ("right", "right: broke by a fault of this program", True) in told(caplog)
    assert all(node.ran for node in well)


def test_of_several_each_that_broke_is_named(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "perception.rig")
    nodes = Ends("left", SourceError("source x: broke")), Ends("mid"), Ends("right", KeyError("key"))
    all_of_them = rig(*nodes)
    with pytest.raises(PerceptionError, match=r"2 of 3 cameras broke: (left, right|right, left)"):
        all_of_them.run()
    why = {camera: str(error) for camera, error in all_of_them.failures.items()}
    assert why.keys() == {"left", "right"} and why["left"] == "source x: broke" and "KeyError" in why["right"]
    assert ("left", "left: source x: broke", False) in told(caplog)
    assert any("ended by a fault of this program (KeyError" in line for _, line, _ in told(caplog))
