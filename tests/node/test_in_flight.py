"""Frames between the reader and the sinks, without workers: the tests settle each scene by flight."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Thread
from typing import cast

import numpy as np
import pytest

from perception.errors import EngineError, SourceError
from perception.frame import DropReason, Frame
from perception.health.latency import Stopwatch
from perception.node.accounting import Accounting
from perception.node.in_flight import FramesInFlight, InFlightFrame
from perception.node.worker_pool import WorkerPool
from perception.scene import Scene, Status, unknown_scene
from perception.types import Policy


class Pool:
    """Stands in for the workers: keeps what is submitted."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.submitted: list[InFlightFrame] = []
        self.begin: list[Callable[[InFlightFrame], Scene]] = []
        self.scenes: list[Future[Scene]] = []

    def submit(
        self, perceive: Callable[[InFlightFrame], Scene], one: InFlightFrame, owner: FramesInFlight
    ) -> Future[Scene]:
        self.begin.append(perceive)
        self.submitted.append(one)
        self.scenes.append(Future())
        return self.scenes[-1]


class Flight:
    """FramesInFlight with workers that perceive when the test says so; frames are known by their numbers."""

    def __init__(self, policy: Policy, workers: int = 1) -> None:
        self.accounting, self.pool = Accounting(), Pool(workers)
        self.frames = FramesInFlight(
            cast(WorkerPool, self.pool),
            lambda one: unknown_scene(one.frame, Status.OK),
            policy,
            self.accounting,
        )

    @property
    def submitted(self) -> list[InFlightFrame]:
        return self.pool.submitted

    @property
    def scenes(self) -> list[Future[Scene]]:
        return self.pool.scenes

    def take_in(self, sequence: int, begun: bool = True) -> None:
        """A new frame; `begun`: a worker begins it, or the last one taken in, at once."""
        self.accounting.capture(sequence)
        frame = Frame(np.zeros((2, 2, 3), np.uint8), sequence, sequence=sequence)
        stopwatch = Stopwatch()
        stopwatch.timings_ms["read"] = sequence
        before = len(self.submitted)
        new = InFlightFrame(frame, (frame,) * sequence, stopwatch)
        self.frames.take_in(new)
        if begun and len(self.submitted) > before:
            self.pool.begin[-1](new)

    def perceive(self, place: int) -> None:
        """The scene of the frame submitted in that place is there."""
        self.scenes[place].set_result(unknown_scene(self.submitted[place].frame, Status.OK))

    def left(self) -> list[int]:
        """The numbers of the frames that still arrive, once no more frames come."""
        self.frames.end()
        return [self.number(one) for one in self.frames.arrivals()]

    @staticmethod
    def number(arrival: InFlightFrame) -> int:
        assert arrival.scene.done()
        return arrival.frame.sequence

    @property
    def superseded(self) -> int:
        assert not self.accounting.dropped.keys() - {DropReason.SUPERSEDED}
        return self.accounting.dropped[DropReason.SUPERSEDED]

    @property
    def submitted_numbers(self) -> list[int]:
        return [one.frame.sequence for one in self.submitted]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_as_many_scenes_wait_for_the_sinks_as_there_are_workers_the_freshest(workers: int) -> None:
    flight = Flight(Policy.FRESHEST, workers)
    count = 2 * workers + 2
    for sequence in range(count):
        flight.take_in(sequence)
    for place in range(count):
        flight.perceive(place)
    assert flight.left() == list(range(count - workers, count))
    assert flight.superseded == count - workers


def test_a_scene_that_gives_way_makes_room_for_a_frame() -> None:
    """Four frames fit with one worker; of four perceived three give way, so three more fit."""
    flight = Flight(Policy.FRESHEST)
    for sequence in range(4):
        flight.take_in(sequence)
        flight.perceive(sequence)
    for sequence in range(4, 10):
        flight.take_in(sequence)
    assert flight.submitted_numbers == [0, 1, 2, 3, 4, 5, 6]
    assert flight.superseded == 3 + 3  # frames 0 to 2 for a fresher scene, 7 to 9 for want of room


def test_scenes_give_way_as_soon_as_a_frame_comes_not_only_when_the_sinks_ask() -> None:
    flight = Flight(Policy.FRESHEST)
    for sequence in range(3):
        flight.take_in(sequence)
        flight.perceive(sequence)
    assert flight.superseded == 1  # 2 came when 0 and 1 waited
    flight.take_in(3)
    assert flight.superseded == 2


def test_a_frame_that_failed_never_gives_way_to_fresher_scenes() -> None:
    """What failed is to be counted as failed, by who takes the arrivals."""
    flight = Flight(Policy.FRESHEST)
    for sequence in range(3):
        flight.take_in(sequence)
    flight.scenes[0].set_exception(EngineError("by hand"))
    flight.perceive(1)
    flight.perceive(2)
    assert flight.left() == [0, 2]
    assert flight.superseded == 1


def test_a_slow_frame_perceived_after_fresher_ones_gives_way_to_them() -> None:
    flight = Flight(Policy.FRESHEST, workers=2)
    for sequence in range(3):
        flight.take_in(sequence)
    flight.perceive(1)
    flight.perceive(2)
    flight.perceive(0)
    assert flight.left() == [1, 2]


def test_the_freshest_frame_takes_the_place_of_one_that_waits_for_a_worker() -> None:
    flight = Flight(Policy.FRESHEST)
    flight.take_in(0)
    flight.take_in(1, begun=False)
    flight.take_in(2, begun=False)
    flight.take_in(3, begun=False)
    assert len(flight.submitted) == 2 and flight.superseded == 2
    waiting = flight.submitted[1]
    assert (waiting.frame.sequence, len(waiting.earlier)) == (3, 3)
    assert waiting.stopwatch.timings_ms == {"read": 3}
    flight.perceive(0)
    flight.perceive(1)
    assert flight.left() == [3]
    assert flight.superseded == 3


def test_a_frame_that_a_worker_has_begun_keeps_its_place() -> None:
    flight = Flight(Policy.FRESHEST, workers=2)
    flight.take_in(0)
    flight.take_in(1)
    assert flight.submitted_numbers == [0, 1] and flight.superseded == 0


def test_where_the_freshest_counts_a_full_node_drops_the_new_frame_and_waits_for_nothing() -> None:
    flight = Flight(Policy.FRESHEST)
    for sequence in range(6):
        flight.take_in(sequence)
    assert flight.submitted_numbers == [0, 1, 2, 3] and flight.superseded == 2
    flight.frames.release()
    flight.take_in(6)
    assert flight.submitted_numbers == [0, 1, 2, 3, 6]


def test_where_every_frame_counts_none_gives_way() -> None:
    flight = Flight(Policy.EVERY_FRAME, workers=2)
    for sequence in range(4):
        flight.take_in(sequence, begun=False)
        flight.perceive(sequence)
    assert flight.left() == [0, 1, 2, 3]
    assert flight.superseded == 0


def test_where_every_frame_counts_the_reader_waits_for_room() -> None:
    """Two frames fit for each worker; the third is taken in once one is published."""
    flight = Flight(Policy.EVERY_FRAME)
    flight.take_in(0)
    flight.take_in(1)
    reader = Thread(target=flight.take_in, args=(2,), daemon=True)
    reader.start()
    reader.join(0.05)
    assert reader.is_alive() and flight.submitted_numbers == [0, 1]
    assert flight.frames.waits
    flight.frames.release()
    reader.join(20)
    assert flight.submitted_numbers == [0, 1, 2] and not flight.frames.waits


@pytest.mark.parametrize("policy", list(Policy))
def test_scenes_leave_in_the_order_of_capture_whichever_is_perceived_first(policy: Policy) -> None:
    flight = Flight(policy, workers=2)
    flight.take_in(0)
    flight.take_in(1)
    flight.perceive(1)
    found: list[int] = []
    sinks = Thread(target=lambda: found.extend(flight.left()), daemon=True)
    sinks.start()
    sinks.join(0.05)
    assert sinks.is_alive() and not found
    flight.perceive(0)
    sinks.join(20)
    assert found == [0, 1]


def test_a_scene_wakes_who_waits_for_it() -> None:
    flight = Flight(Policy.FRESHEST)
    flight.take_in(0)
    arrivals, found = flight.frames.arrivals(), list[int]()
    sinks = Thread(target=lambda: found.append(next(arrivals).frame.sequence), daemon=True)
    sinks.start()
    sinks.join(0.05)
    assert sinks.is_alive()
    flight.perceive(0)
    sinks.join(20)
    assert found == [0]


def test_at_the_end_frames_in_flight_are_waited_for() -> None:
    flight = Flight(Policy.EVERY_FRAME)
    flight.take_in(0)
    flight.frames.end()
    found: list[int] = []
    sinks = Thread(target=lambda: found.extend(flight.left()), daemon=True)
    sinks.start()
    sinks.join(0.05)
    flight.perceive(0)
    sinks.join(20)
    assert found == [0] and not sinks.is_alive()


@pytest.mark.parametrize("perceived", [False, True])
def test_an_abort_waits_for_no_frame_and_hands_out_none(perceived: bool) -> None:
    flight = Flight(Policy.FRESHEST)
    flight.take_in(0)
    if perceived:
        flight.perceive(0)
    flight.frames.abort(EngineError("by hand"))
    flight.frames.abort(SourceError("later"))
    with pytest.raises(EngineError, match="by hand"):
        flight.left()
    assert flight.accounting.account().in_flight == 1  # it is for the node to account for it


def test_the_end_wakes_who_waits_for_frames() -> None:
    flight = Flight(Policy.FRESHEST)
    sinks = Thread(target=lambda: list(flight.frames.arrivals()), daemon=True)
    sinks.start()
    sinks.join(0.05)
    assert sinks.is_alive()
    flight.frames.end()
    sinks.join(20)
    assert not sinks.is_alive()


def test_an_abort_wakes_who_waits_for_a_scene() -> None:
    flight, raised = Flight(Policy.FRESHEST), list[Exception]()
    flight.take_in(0)  # its scene never comes

    def take() -> None:
        try:
            list(flight.frames.arrivals())
        except EngineError as error:
            raised.append(error)

    sinks = Thread(target=take, daemon=True)
    sinks.start()
    sinks.join(0.05)
    assert sinks.is_alive()
    flight.frames.abort(EngineError("by hand"))
    sinks.join(20)
    assert len(raised) == 1
