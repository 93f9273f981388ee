"""SIGINT and SIGTERM end a run in order."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAME_REQUEST_S = 0.5


@contextmanager
def stopping(*calls: Callable[[], None]) -> Iterator[list[int]]:
    """While the block runs, the first signal makes the calls; the list then holds its number.

    A later signal ends the process, but not within 0.5 s of the first one: some senders signal a process and
    then its group.
    """
    received: list[int] = []
    until = 0.0

    def take(number: int, _: object) -> None:
        nonlocal until
        if not received:
            received.append(number)
            until = time.monotonic() + SAME_REQUEST_S
            # In its own thread: the interrupted one may hold a lock that stopping needs, a deadlock.
            threading.Thread(target=stop, daemon=True).start()
        elif time.monotonic() > until:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def stop() -> None:
        for call in calls:
            call()

    before = {one: signal.signal(one, take) for one in SIGNALS}
    try:
        yield received
    finally:
        if not received:  # else the report is still to be written
            for one, handler in before.items():
                signal.signal(one, handler)


def ignore_signals() -> None:
    """From now on, until the process ends."""
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
