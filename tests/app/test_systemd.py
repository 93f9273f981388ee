import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from perception.app.systemd import Notifier
from perception.health.types import Condition, Health, Level, NodeState
from perception.scene import Signal

WELL = Health("front", NodeState.ACTIVE, Signal.OK, Level.OK, rate_out=29.8)


@pytest.fixture(params=["path", "abstract"])
def systemd(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The socket on which systemd listens, named in the environment as it does that."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@perception-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name[1:] if request.param == "abstract" else name)
        listener.settimeout(0.2)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
        yield listener


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("perception.app.systemd.time.monotonic", lambda: now[0])
    return now


def heard(listener: socket.socket) -> list[str]:
    listener.setblocking(False)
    lines = []
    while True:
        try:
            lines.append(listener.recv(4096).decode())
        except BlockingIOError:
            return lines


def test_it_says_how_the_node_is(systemd: socket.socket) -> None:
    silent = replace(
        WELL,
        signal=Signal.NO_SIGNAL,
        level=Level.ERROR,
        conditions=(Condition("signal", Level.ERROR, "no frame from rtsp://u:secret@cam/1\nfor 2 s", 1.0),),
    )
    with Notifier.from_environment() as notifier:
        notifier.alive(replace(WELL, state=NodeState.INACTIVE))
        assert heard(systemd) == ["STATUS=front: ok, 30 frames/s", "WATCHDOG=1"]
        notifier.alive(WELL)
        assert heard(systemd) == ["READY=1", "WATCHDOG=1"]
        notifier.alive(WELL)
        assert heard(systemd) == ["WATCHDOG=1"]
        notifier.alive(silent)
        assert heard(systemd) == [
            "STATUS=front: ERROR, no frame from rtsp://u:***@cam/1 for 2 s",
            "WATCHDOG=1",
        ]
    assert heard(systemd) == ["STOPPING=1"]


def test_frames_that_stay_in_hand_are_no_sign_of_life(systemd: socket.socket, clock: list[float]) -> None:
    """The watch goes on while the loop hangs: systemd's patience of 30 s begins after 15 s of that."""
    notifier = Notifier.from_environment()
    fed = []
    for second in range(40):
        clock[0] += 1
        done = min(second, 10)
        notifier.alive(
            replace(WELL, published=done - done // 2, dropped={"superseded": done // 2}, in_hand=2)
        )
        fed.append("WATCHDOG=1" in heard(systemd))
    assert fed == [second < 25 for second in range(40)]
    notifier.alive(replace(WELL, published=6, dropped={"superseded": 5}, in_hand=2))
    assert "WATCHDOG=1" in heard(systemd)


def test_a_silent_camera_is_no_reason_for_a_restart(systemd: socket.socket, clock: list[float]) -> None:
    notifier = Notifier.from_environment()
    for _ in range(40):
        clock[0] += 1
        notifier.alive(replace(WELL, signal=Signal.NO_SIGNAL, published=5, in_hand=0))
        assert "WATCHDOG=1" in heard(systemd)


def test_of_several_cameras_all_must_be_alive(systemd: socket.socket, clock: list[float]) -> None:
    notifier = Notifier.from_environment()
    left, right = replace(WELL, camera="left"), replace(WELL, camera="right")
    notifier.alive(right)
    for _ in range(20):
        clock[0] += 1
        notifier.alive(left)
        lines = heard(systemd)
    assert "WATCHDOG=1" not in lines  # nothing was heard of the right one
    notifier.alive(replace(right, state=NodeState.ERROR))
    notifier.alive(left)
    assert heard(systemd)[-1] == "WATCHDOG=1"
    clock[0] += 60
    notifier.alive(left)  # the right one has ended, and says no more
    assert heard(systemd) == ["WATCHDOG=1"]


def test_ready_is_said_again_where_it_did_not_get_through(tmp_path: Path) -> None:
    name = str(tmp_path / "notify")
    notifier = Notifier(name)
    notifier.alive(WELL)  # nobody listens yet, and that raises nothing
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name)
        notifier.alive(WELL)
        assert heard(listener) == [
            "READY=1",
            "STATUS=front: ok, 30 frames/s",
        ]  # and no watchdog was asked for


def test_a_listener_that_never_reads_holds_up_nothing(systemd: socket.socket) -> None:
    notifier = Notifier.from_environment()
    for number in range(5000):
        notifier.alive(replace(WELL, rate_out=number))
    assert 0 < len(heard(systemd)) < 10_000


@pytest.mark.parametrize(
    ("variables", "watchdog_s"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "20000000"}, 20.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, 0.0),  # meant for another process
        ({"WATCHDOG_USEC": "soon"}, 0.0),
    ],
)
def test_without_systemd_nothing_is_said(
    variables: dict[str, str], watchdog_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with Notifier.from_environment() as notifier:
        notifier.alive(WELL)
        assert notifier._watchdog_s == watchdog_s
