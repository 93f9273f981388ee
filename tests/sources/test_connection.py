"""What a connection makes of the packets that come."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from fractions import Fraction
from threading import Event
from threading import enumerate as threads

import av
from av.container import InputContainer

from perception.engines.background import LEFT_BEHIND
from perception.sources.connection import Arrival, Connection, LostError, Packet, _whole, arrival_of


def packet(data: bytes, pts: int | None, key: bool, came_ns: int) -> Packet:
    made: Packet = av.Packet(data)  # type: ignore[assignment]
    made.pts, made.time_base, made.is_keyframe = pts, Fraction(1, 30), key
    made.opaque = Arrival(came_ns - 1, came_ns, 0)
    return made


def test_a_key_frame_in_parts_is_made_whole_once_a_stream_is_known_to_part_them() -> None:
    parts = [
        packet(b"K1", 0, True, 10),
        packet(b"K2", 0, True, 20),  # too late for the first part, which may have been decoded by now
        packet(b"P", 1, False, 30),
        packet(b"K3", 2, True, 40),
        packet(b"K4", 2, True, 50),
        packet(b"K5", 2, True, 60),
        packet(b"P", 3, False, 70),
        packet(b"K6", 4, True, 80),
        packet(b"P", 5, False, 90),
    ]
    whole = list(_whole(iter(parts)))
    assert [bytes(one) for one in whole] == [b"K1", b"K2", b"P", b"K3K4K5", b"P", b"K6", b"P"]
    assert [one.pts for one in whole] == [0, 0, 1, 2, 3, 4, 5]
    assert [one.is_keyframe for one in whole] == [True, True, False, True, False, True, False]
    assert (arrival_of(whole[3]).began_ns, arrival_of(whole[3]).whole_ns) == (39, 60)


def test_packets_of_other_streams_are_not_held_up() -> None:
    handed_on = list[Packet]()

    def camera() -> Iterator[Packet]:
        for number in range(4):
            yield packet(b"K", None if number > 1 else number, True, number)
            assert len(handed_on) == number + 1  # before the next one comes

    for one in _whole(camera()):
        handed_on.append(one)
    assert len(handed_on) == 4


def test_a_connection_that_hangs_is_left_behind_at_its_end() -> None:
    """The command does not end in order then, which would unload FFmpeg under it."""
    answer = Event()

    def connect() -> AbstractContextManager[InputContainer]:
        answer.wait(30)
        raise LostError("it was not there")

    connection = Connection(connect, str, wait=False, marked=lambda: False)
    try:
        connection.end(0.1)
        assert not connection.over
        assert LEFT_BEHIND in {thread.name for thread in threads()}
    finally:
        answer.set()
    connection.end(10)
    assert connection.over
    assert connection.ended == "it was not there"
