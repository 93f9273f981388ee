"""What the node lets go of at once, without Python's collector of garbage, which may take minutes to come."""

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest

from perception.bundle.bundle import Bundle
from perception.errors import EngineError
from perception.frame import DropReason, Frame
from perception.perceiver import Perceiver
from tests.node.nodes import LazySource, ListSink, frame, make_node, until, watched


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_a_frame_that_the_engine_fails_on_is_let_go_of(colour_bundle: Bundle) -> None:
    """Nine of ten fail. The pictures of those, 2.7 MB each of 1280×720, are free at once."""
    perceiver = Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1)
    images: list[weakref.ref[npt.NDArray[np.uint8]]] = []

    def fail(run: int) -> None:
        if run % 10:
            raise EngineError("a fault of the driver")

    def lazy() -> Iterator[Frame]:
        for sequence in range(40):
            one = frame(sequence, period_ms=1)
            images.append(weakref.ref(one.image))
            yield one
            del one
            until(lambda number=sequence + 1: node.accounting.account().in_flight == 0)  # type: ignore[misc]

    failing, _ = watched(perceiver, fail)
    node = make_node(LazySource(lazy()), failing, [ListSink()], workers=1, realtime=True)
    node.run()
    assert node.accounting.dropped[DropReason.FAILED] == 36
    alive = [number for number, image in enumerate(images) if image() is not None]
    assert set(alive) <= {0, 10, 20, 30, 39}  # those that are published, and the last one of all
