"""What a ring promises its readers, and what it does with those that are slow, dead or speak nonsense."""

import fcntl
import json
import logging
import mmap
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perception.errors import DataError
from perception.interchange.shm.layout import Bytes, Part, SharedFrame
from perception.interchange.shm.messages import Request
from perception.interchange.shm.reader import Held, Reader
from tests.interchange.rings import ALL, NOW_S, asking, frame, ring, shown, take
from tests.sources.live import until


def test_each_frame_comes_to_who_waits(runtime: Path) -> None:
    with ring(runtime, hello=b'{"rate": 5}') as served, asking(served) as one, asking(served) as other:
        assert one.hello == {"rate": 5}
        for number in range(20):
            served.publish(frame(number), ALL)
            for reader in (one, other):
                held = take(reader)
                assert (shown(held), held.missed) == (number, 0)
                reader.release(held)
                assert reader.next(0.001) is None


def test_who_asks_late_gets_the_newest_and_is_told_what_it_missed(runtime: Path) -> None:
    with ring(runtime) as served, asking(served) as reader:
        served.publish(frame(0), ALL)
        reader.release(take(reader))
        for number in range(1, 6):
            served.publish(frame(number), ALL)
        held = take(reader)
        assert (shown(held), held.missed) == (5, 4)


def test_what_is_held_is_never_overwritten_and_costs_nobody_else_a_frame(runtime: Path) -> None:
    with ring(runtime, readers=2) as served, asking(served) as slow, asking(served) as quick:
        kept: list[Held] = []
        for number in range(60):
            served.publish(frame(number), ALL)
            if number < 2:
                kept.append(take(slow))
            held = take(quick)
            assert (shown(held), held.missed) == (number, 0)
            quick.release(held)
        assert [shown(held) for held in kept] == [0, 1]
        assert slow.next(NOW_S) is None  # it holds as many as it may
        slow.release(kept[0])
        held = take(slow)
        assert (shown(held), held.missed) == (59, 57)
        assert shown(kept[1]) == 1


def test_who_asks_while_the_next_one_is_written_gets_the_last_one_whole(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ring(runtime) as served, asking(served) as reader:
        served.publish(frame(0), ALL)
        reader.release(take(reader))
        served.publish(frame(1), ALL)
        write, seen = SharedFrame.write, []

        def write_and_ask(written: SharedFrame, memory: Bytes) -> None:
            write(written, memory)
            seen.append(take(reader))

        monkeypatch.setattr(SharedFrame, "write", write_and_ask)
        served.publish(frame(2), ALL)
        assert [shown(held) for held in seen] == [1]
        assert shown(take(reader)) == 2


def test_those_that_are_gone_hold_nothing(runtime: Path) -> None:
    with ring(runtime, readers=1) as served:  # four slots
        for _ in range(5):
            with asking(served) as reader:
                for number in range(2):
                    served.publish(frame(number), ALL)
                    assert shown(take(reader)) == number
            until(lambda: not served.wanted)


def test_a_reader_that_is_killed_holds_nothing(runtime: Path, caplog: pytest.LogCaptureFixture) -> None:
    code = (
        "from perception.interchange.shm.reader import Reader\n"
        "from perception.interchange.shm.layout import Part\n"
        "reader = Reader.open('front', Part.PICTURE)\n"
        "held = [reader.next(60), reader.next(60)]\n"
        "print('holds', flush=True)\n"
        "reader.next(600)\n"
    )
    caplog.set_level(logging.INFO)
    with ring(runtime, readers=1) as served:
        for _ in range(2):
            child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
            assert child.stdout is not None
            until(lambda: served.wanted, 60)
            served.publish(frame(1), ALL)
            served.publish(frame(2), ALL)
            assert child.stdout.readline() == "holds\n"
            child.send_signal(signal.SIGKILL)
            child.wait()
            child.stdout.close()
            until(lambda: not served.wanted)
        for number in range(10):
            served.publish(frame(number), ALL)
        with asking(served) as reader:
            served.publish(frame(7), ALL)
            assert shown(take(reader)) == 7
    gone = [record for record in caplog.records if vars(record).get("event") == "reader_gone"]
    assert [vars(record)["got"] for record in gone] == [2, 2, 1]
    assert f"of process {child.pid} is gone: it got 2 frames" in gone[1].getMessage()


def test_a_frame_that_does_not_fit_leaves_alone_what_is_held(runtime: Path) -> None:
    with ring(runtime) as served, asking(served) as reader:
        served.publish(frame(1), ALL)
        small = take(reader)
        assert reader.next(0.001) is None
        for number in range(2, 30):
            served.publish(frame(number, 200, 300), ALL)
        large = take(reader)
        assert (shown(large), shown(small)) == (2, 1)
        reader.release(small)
        reader.release(large)
        assert shown(take(reader)) == 29


def test_readers_cannot_write(runtime: Path) -> None:
    with ring(runtime) as served, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as plain:
        plain.connect(str(runtime / "perception-front.sock"))
        plain.recv(100)
        plain.send(Request(0, ALL).pack())
        until(lambda: served.wanted)
        served.publish(frame(1), ALL)
        _, (descriptor,), _, _ = socket.recv_fds(plain, 100, 1)
        size = os.fstat(descriptor).st_size
        with pytest.raises(PermissionError):
            mmap.mmap(descriptor, size)
        with pytest.raises(PermissionError):
            os.pwrite(descriptor, b"x", 0)
        for other in (0, 2 * size):
            with pytest.raises(PermissionError):
                os.ftruncate(descriptor, other)
        with pytest.raises(PermissionError):
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
        os.close(descriptor)


def test_the_state_comes_first_and_no_frame_from_before(runtime: Path) -> None:
    with ring(runtime) as served:
        served.report(b'{"level": "ok"}')
        served.report(b'{"level": "warn"}')
        with asking(served) as other, Reader.open("front", Part.PICTURE | Part.HEALTH) as reader:
            served.publish(frame(1), ALL)
            assert shown(take(other)) == 1
            assert reader.next(10) == {"level": "warn"}
            assert reader.next(NOW_S) is None
            served.publish(frame(2), ALL)
            assert shown(take(reader)) == 2
            served.report(b'{"level": "error"}')
            assert reader.next(10) == {"level": "error"}


def test_a_frame_that_is_no_longer_what_it_says_is_not_handed_out(runtime: Path) -> None:
    with ring(runtime) as served, asking(served) as reader:
        valid = [True]
        served.publish(frame(1), ALL, lambda: valid[0])
        reader.release(take(reader))
        served.publish(frame(2), ALL, lambda: valid[0])
        valid[0] = False
        assert reader.next(NOW_S) is None
        served.publish(frame(3), ALL)
        held = take(reader)
        assert (shown(held), held.missed) == (3, 1)


def test_a_frame_without_what_a_reader_asks_for_is_none_unless_it_was_withheld(runtime: Path) -> None:
    with ring(runtime) as served, asking(served) as reader, asking(served, Part.LABELS) as other:
        assert served.wanted == Part.PICTURE | Part.LABELS
        served.publish(frame(1), Part.PICTURE)
        assert shown(take(reader)) == 1
        assert other.next(NOW_S) is None
        served.publish(frame(2), Part.PICTURE | Part.LABELS)
        assert take(other).frame.sequence == 2


def test_more_readers_than_it_may_have_are_refused_in_words(runtime: Path) -> None:
    with ring(runtime, readers=1) as served:
        with asking(served), pytest.raises(DataError, match=r"it has 1 readers, .* by \?readers="):
            Reader.open("front", ALL)
        until(lambda: not served.wanted)
        Reader.open("front", ALL).close()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"?", "a request of 1 bytes"),
        (bytes(40), "a request of 17 bytes"),
        (struct.pack("<QII", 77, 0, 0), "it releases frame 77, which it does not hold"),
        (struct.pack("<QII", 0, 64, 0), "it asks for 0x40"),
    ],
)
def test_one_that_speaks_nonsense_is_sent_away_and_keeps_what_it_sees(
    data: bytes, words: str, runtime: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with ring(runtime, readers=2) as served, asking(served) as reader, asking(served) as good:
        served.publish(frame(9), ALL)
        held = take(reader)
        reader._socket.send(data)
        until(lambda: words in caplog.text)
        with pytest.raises(ConnectionError):
            reader.next(10)
        good.release(take(good))
        for number in range(20):
            served.publish(frame(number), ALL)
            found = take(good)
            assert (shown(found), found.missed) == (number, 0)
            good.release(found)
        assert shown(held) == 9


def test_one_that_asks_and_never_reads_takes_no_memory(runtime: Path) -> None:
    with ring(runtime) as served, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as plain:
        plain.connect(str(runtime / "perception-front.sock"))
        large = json.dumps({"what": "x" * 50_000}).encode()
        for _ in range(100):
            try:
                plain.send(Request(0, Part.HEALTH).pack())
            except OSError:
                break
            served.report(large)
        until(lambda: not served.wanted)  # it was sent away


def test_what_lies_outside_of_the_memory_is_refused(runtime: Path) -> None:
    with ring(runtime) as served, asking(served) as reader:
        served.publish(frame(1), ALL)
        reader.release(take(reader))
        reader._map = np.zeros(100, np.uint8)
        served.publish(frame(2), ALL)
        with pytest.raises(DataError, match="lies outside of it"):
            reader.next(10)
