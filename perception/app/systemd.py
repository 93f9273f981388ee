"""Reports the node's state to systemd: sd_notify(3), without its library."""

import os
import socket
import time
from threading import Lock
from types import TracebackType
from typing import Self

from perception.health.types import Health, Level, NodeState
from perception.redact import masked, printable

_PATIENCE_S = 5.0  # for at least so long, a node without progress counts as alive


class Notifier:
    """Sends READY=1 with the first health of an active node, STATUS=… when it changes, WATCHDOG=1 with every
    health while all nodes are alive, and STOPPING=1 at the end. Sends nothing where nobody listens.

    A node is alive while it reports health, each second, and makes progress with its frames in flight; so a
    watchdog needs at least three seconds. Nothing here raises: a node does not end because systemd does not
    listen.

    Args:
        address: of a datagram socket: a path, or an abstract name that begins with @; empty: nobody listens.
        watchdog_s: after how long without a sign of life systemd restarts the node; 0: never.
    """

    def __init__(self, address: str, watchdog_s: float = 0.0) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog_s = watchdog_s
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)
        self._lock = Lock()
        self._ready = False
        self._status = ""
        self._nodes: dict[str, tuple[float, Health]] = {}  # by camera, with the time of its last progress

    @classmethod
    def from_environment(cls) -> Self:
        """As systemd has set NOTIFY_SOCKET and WATCHDOG_USEC for this process."""
        mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = os.environ.get("WATCHDOG_USEC", "")
        watchdog_s = int(microseconds) / 1e6 if mine and microseconds.isdecimal() else 0.0
        return cls(os.environ.get("NOTIFY_SOCKET", ""), watchdog_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping()
        self._socket.close()

    def alive(self, health: Health) -> None:
        """Report a node's health. From any thread."""
        with self._lock:
            now = time.monotonic()
            since, before = self._nodes.get(health.camera, (now, None))
            self._nodes[health.camera] = (now if _progressed(before, health) else since), health
            if not self._ready and health.state is NodeState.ACTIVE:
                self._ready = self._send("READY=1")
            status = printable(masked("; ".join(_line(one) for _, one in self._nodes.values())))
            if status != self._status and self._send(f"STATUS={status}"):
                self._status = status
            if self._watchdog_s and self._all_alive(now):
                self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The run ends; frames in flight are still written."""
        self._send("STOPPING=1")

    def _all_alive(self, now: float) -> bool:
        """All but those that have ended."""
        longest = max(_PATIENCE_S, self._watchdog_s / 2)
        ended = (NodeState.INACTIVE, NodeState.ERROR, NodeState.FINALIZED)
        return all(now - since < longest or one.state in ended for since, one in self._nodes.values())

    def _send(self, line: str) -> bool:
        try:
            if self._address:
                self._socket.sendto(line.encode(), self._address)
        except OSError:  # nobody listens any more, or the queue is full
            return False
        return True


def _progressed(before: Health | None, health: Health) -> bool:
    """Whether it has nothing to do, or has done some of it."""
    if before is None or not health.in_hand or health.state is not NodeState.ACTIVE:
        return True
    return _done(health) != _done(before)


def _done(health: Health) -> int:
    return health.published + sum(health.dropped.values())


def _line(health: Health) -> str:
    """Such as "front: ok, 30 frames/s" or "front: ERROR, no signal"; in one line, as systemctl shows it."""
    if health.level is Level.OK:
        return f"{health.camera}: ok, {health.rate_out:.0f} frames/s"
    reasons = ", ".join(one.reason for one in health.conditions) or str(health.signal)
    return " ".join(f"{health.camera}: {health.level.name}, {reasons}".split())
