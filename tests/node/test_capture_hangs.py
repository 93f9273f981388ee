"""A source that hangs and cannot be stopped does not keep the node from ending."""

import threading
from collections.abc import Iterator

import pytest

from perception.bundle.bundle import Bundle
from perception.engines.background import LEFT_BEHIND
from perception.errors import SourceError
from perception.frame import Drop, Frame
from perception.health.types import NodeState
from perception.node.node import Node
from perception.perceiver import Perceiver
from perception.sources.push import PushSource


class Hanging(PushSource):
    """Says that it streams, gives nothing, and does not end when it is stopped."""

    def __init__(self) -> None:
        super().__init__(rate=100.0)
        self.release = threading.Event()

    def __iter__(self) -> Iterator[Frame | Drop]:
        self.release.wait(60)
        return iter(())


def test_the_node_ends_and_leaves_the_thread_that_reads_behind(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perception.node.node.CAPTURE_ENDS_S", 0.2)
    source = Hanging()
    node = Node(source, Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1), [], give_up_s=0.3)
    raised: list[SourceError] = []

    def run() -> None:
        try:
            node.run()
        except SourceError as error:
            raised.append(error)

    running = threading.Thread(target=run, daemon=True)
    running.start()
    running.join(20)
    assert not running.is_alive()
    assert "given up" in str(raised[0])
    assert node.life.state is NodeState.FINALIZED
    assert LEFT_BEHIND in {
        thread.name for thread in threading.enumerate()
    }  # so that the command does not wait
    source.release.set()
