"""Sinks that leave out, on purpose, all that they are given: the run has not done what it was asked to."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from perception.errors import SinkError
from perception.frame import Frame
from perception.health.types import NodeState
from perception.node.node import Node
from perception.perceiver import Perceiver
from perception.scene import Scene
from tests.node.nodes import ListSink, ListSource, frames, make_node


@dataclass
class Bus(ListSink):
    """Has a peer for its first scenes only."""

    uri: str = "zenoh:car"
    taken: int = 0

    def write(self, frame: Frame, scene: Scene, overlay: npt.NDArray[np.uint8]) -> str | None:  # type: ignore[override]
        if len(self.scenes) == self.taken:
            return "not connected"
        super().write(frame, scene, overlay)
        return None


@pytest.mark.parametrize(
    ("realtime", "sinks"), [(False, [Bus()]), (False, [ListSink(), Bus()]), (True, [Bus(), Bus()])]
)
def test_a_run_of_which_a_sink_took_nothing_fails(
    perceiver: Perceiver, realtime: bool, sinks: list[ListSink]
) -> None:
    node = make_node(ListSource(frames(5)), perceiver, sinks, realtime=realtime)
    with pytest.raises(SinkError) as raised:
        node.run()
    count = node.accounting.published
    words = f"sink zenoh:car: none of {count} scenes was taken ({count} not connected)"
    assert str(raised.value).startswith(words)
    assert node.life.state is NodeState.FINALIZED and (realtime or count == 5)


@pytest.mark.parametrize(
    ("realtime", "sinks"),
    [
        (False, [Bus(taken=1)]),
        (True, [ListSink(), Bus()]),  # where frames give way, one sink is enough
        (False, []),
    ],
)
def test_a_run_of_which_something_was_taken_is_one(
    perceiver: Perceiver, realtime: bool, sinks: list[ListSink]
) -> None:
    make_node(ListSource(frames(5)), perceiver, sinks, realtime=realtime).run()


def test_a_run_that_was_stopped_before_anybody_was_there_is_no_failure(perceiver: Perceiver) -> None:
    node: Node = make_node(
        ListSource(frames(50)), perceiver, [Bus()], on_scene=lambda scene: node.stop(), workers=1
    )
    node.run()
    assert 0 < node.accounting.published < 50
