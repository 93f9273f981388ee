"""Where a ring is served: one writer at a place, also after one that was killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perception.errors import SinkError
from perception.interchange.shm.reader import Reader
from perception.interchange.shm.ring import Ring
from tests.interchange.rings import ALL, asking, frame, ring, shown, take


def test_a_second_writer_is_refused_while_the_first_one_lives(runtime: Path) -> None:
    path = runtime / "perception-front.sock"
    with ring(runtime), pytest.raises(SinkError, match=rf"{path}: process {os.getpid()} serves it already"):
        Ring(path, b"{}")
    assert not path.exists()
    with ring(runtime), Reader.open("front", ALL):
        pass


def test_the_socket_of_a_writer_that_was_killed_is_replaced(runtime: Path) -> None:
    code = (
        "import sys, pathlib, time\n"
        "from perception.interchange.shm.ring import Ring\n"
        "ring = Ring(pathlib.Path(sys.argv[1]), b'{}')\n"
        "print('serves', flush=True)\n"
        "time.sleep(600)\n"
    )
    path = runtime / "perception-front.sock"
    child = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "serves\n"
    with Reader.open("front", ALL) as reader:
        child.kill()
        child.wait()
        child.stdout.close()
        with pytest.raises(ConnectionError):
            reader.next(10)
    assert path.is_socket()
    with pytest.raises(ConnectionRefusedError):
        Reader.open("front", ALL)
    with ring(runtime) as served, asking(served) as reader:
        served.publish(frame(3), ALL)
        assert shown(take(reader)) == 3


def test_a_place_that_cannot_be_written_is_an_error_in_words(runtime: Path) -> None:
    with pytest.raises(SinkError, match="No such file or directory"):
        Ring(runtime / "none/perception-front.sock", b"{}")
    with pytest.raises(SinkError, match="AF_UNIX path too long"):
        Ring(runtime / f"{'x' * 120}.sock", b"{}")
    (runtime / f"{'x' * 120}.lock").unlink()
    assert not list(runtime.iterdir())
