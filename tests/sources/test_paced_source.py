"""Recordings at their own pace."""

import threading
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace

import numpy as np
import pytest

from perception.frame import Drop, DropReason, Frame
from perception.health.types import Link, LinkState
from perception.sources.paced import PacedSource
from tests.sources.live import Reading, until

MS = 1_000_000


class Recording:
    uri, rate, live = "recording", 25.0, False

    def __init__(self, stamps_ms: list[int | None]) -> None:
        self.stamps_ms = stamps_ms
        self.length: int | None = None
        self.notes = ["a note"]
        self.closed = False

    def __iter__(self) -> Iterator[Frame | Drop]:
        for number, stamp in enumerate(self.stamps_ms):
            if stamp is None:
                yield Drop(number, DropReason.UNDECODABLE, "damaged")
            else:
                yield Frame(np.zeros((2, 2, 3), np.uint8), stamp * MS, sequence=number)

    def close(self) -> None:
        self.closed = True


def test_frames_come_when_they_are_due_and_not_before() -> None:
    source = PacedSource(Recording([0, 40, None, 120]), "rear")
    states = [source.link.state]
    came = [(time.monotonic_ns(), item) for item in source]
    frames = [(now, item) for now, item in came if isinstance(item, Frame)]
    assert [item.sequence for _, item in came] == [0, 1, 2, 3]
    assert [frame.stamp_ns // MS for _, frame in frames] == [0, 40, 120]
    assert [(frame.host_ns - frames[0][1].host_ns) // MS for _, frame in frames] == [0, 40, 120]
    assert all(frame.host_ns <= now < frame.host_ns + 300 * MS for now, frame in frames)
    assert {frame.camera for _, frame in frames} == {"rear"}
    states.append(source.link.state)
    assert states == [LinkState.CONNECTING, LinkState.ENDED]


def test_a_frame_that_is_read_late_was_due_when_it_was_due() -> None:
    items = iter(PacedSource(Recording([0, 20, 40])))
    first = next(items)
    time.sleep(0.1)
    late = next(items)
    assert isinstance(first, Frame)
    assert isinstance(late, Frame)
    assert late.host_ns - first.host_ns == 20 * MS


def test_where_a_spliced_recordings_clock_runs_back_the_pace_starts_anew() -> None:
    start = time.monotonic_ns()
    frames = [item for item in PacedSource(Recording([500, 540, 0, 40])) if isinstance(item, Frame)]
    assert time.monotonic_ns() - start < 400 * MS
    dues = [frame.host_ns - frames[0].host_ns for frame in frames]
    assert 40 * MS <= dues[2] < 80 * MS
    assert dues[3] - dues[2] == 40 * MS


def test_it_stops_while_it_waits() -> None:
    recording = Recording([0, 60_000])
    with Reading(PacedSource(recording)) as reading:
        until(lambda: reading.items)
        start = time.monotonic()
    assert time.monotonic() - start < 0.3
    assert len(reading.items) == 1
    assert recording.closed
    assert reading.source.notes == ["a note"]


def test_a_gap_in_the_recording_is_a_camera_that_was_lost() -> None:
    """Neither a stall that ends the run nor a picture that goes on being good."""
    source = PacedSource(Recording([0, 1300]))
    links: list[Link] = []
    reading = threading.Thread(target=lambda: links.extend(source.link for _ in source))
    reading.start()
    deadline = time.monotonic() + 30
    while source.link.state is not LinkState.LOST and time.monotonic() < deadline:
        time.sleep(0.01)
    assert source.link.reason == "the recording has a gap of 1 s"
    reading.join(30)
    assert [link.state for link in links] == 2 * [LinkState.STREAMING]
    assert source.link.state is LinkState.ENDED


def test_what_a_frame_waited_here_is_said_with_it() -> None:
    """Reading is slower than the recording's pace: that is the delay of the node, not of the transport."""

    class Slow(Recording):
        def __iter__(self) -> Iterator[Frame | Drop]:
            for item in super().__iter__():
                time.sleep(0.1)
                yield item

    source = PacedSource(Slow([0, 10, 1000]))
    waited = [(source.link.waited_ms, item) for item in source]
    assert waited[0][0] == waited[2][0] == 0
    assert 80 < waited[1][0] < 500


class Clock:
    """Time that passes only where somebody waits; also the event that a source waits for."""

    def __init__(self) -> None:
        self.ms = 1000.0

    def monotonic_ns(self) -> int:
        return round(self.ms * MS)

    def wait(self, seconds: float) -> None:
        self.ms += 1000 * seconds

    def is_set(self) -> bool:
        return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("perception.sources.paced.time", SimpleNamespace(monotonic_ns=clock.monotonic_ns))
    monkeypatch.setattr("perception.sources.paced.Event", lambda: clock)
    return clock


def ages_ms(clock: Clock, read_ms: Sequence[float], held_ms: float = 0.0) -> tuple[list[float], list[str]]:
    """Of frames that are 100 ms apart, when they come; and what is noted.

    Args:
        read_ms: that the source takes for each.
        held_ms: that whoever takes a frame takes for it.
    """

    class Slow(Recording):
        def __iter__(self) -> Iterator[Frame | Drop]:
            for item, ms in zip(super().__iter__(), read_ms, strict=True):
                clock.ms += ms
                yield item

    source, ages = PacedSource(Slow([100 * k for k in range(len(read_ms))])), list[float]()
    for item in source:
        assert isinstance(item, Frame)
        ages.append((clock.monotonic_ns() - item.host_ns) / MS)
        clock.ms += held_ms
    return ages, source.notes[1:]


def test_what_a_slow_source_has_not_made_yet_is_not_old(clock: Clock) -> None:
    ages, notes = ages_ms(clock, 200 * [300])
    assert ages[:3] == [0, 200, 400] and set(ages[3:]) == {0}
    assert notes == ["recording gives 3.3 frames a second here, and has 25: it is played as fast as it comes"]
    assert clock.ms == 1000 + 200 * 300


def test_a_source_that_was_slow_for_a_while_goes_on_at_its_pace(clock: Clock) -> None:
    """A hiccup is caught up with, and is none of the source's pace."""
    ages, notes = ages_ms(clock, [0, 500, *20 * [0]])
    assert ages[:7] == [0, 400, 300, 200, 100, 0, 0] and not notes
    start = clock.ms
    ages, notes = ages_ms(clock, [0, *8 * [300], *40 * [0], 500, *5 * [0]])
    assert ages[9:49] == 40 * [0] and len(notes) == 1
    assert clock.ms - start == 8 * 300 + (40 + 6) * 100
    assert ages[49] == 400  # it was in time since


def test_frames_that_wait_for_whoever_takes_them_grow_old(clock: Clock) -> None:
    """They did exist when they were due."""
    assert ages_ms(clock, 20 * [0], held_ms=300) == ([200.0 * k for k in range(20)], [])
    ages, notes = ages_ms(clock, 20 * [200], held_ms=300)
    assert ages == [400.0 * k for k in range(6)] + [300.0 * k for k in range(6, 20)]
    assert len(notes) == 1
