"""Workers on this machine: a child process for each job, so that the death of one concerns that job alone."""

import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from perception.fleet.executor import Died, Event
from perception.fleet.job import FAILED, MESSAGES, PARTIAL, Job


@dataclass
class _Child:
    job: Job
    process: subprocess.Popen[bytes]
    log: Path
    heard: bytearray = field(default_factory=bytearray)  # of a line that is not whole yet


class Children:
    """Runs jobs in child processes, and sleeps until one of them says something."""

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._selector = selectors.DefaultSelector()
        self._woken, self._wake = os.pipe()
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._children: list[_Child] = []

    def start(self, job: Job) -> None:
        """Raises: OSError: no process can be started."""
        log = job.out / PARTIAL / f"{job.title}.log"  # the spaces of a piece are in no drive's name
        log.parent.mkdir(exist_ok=True)
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "perception.fleet.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,  # Ctrl-C in a terminal is for the fleet, which ends them
            )
        assert process.stdin is not None and process.stdout is not None
        child = _Child(job, process, log)
        self._children.append(child)
        self._selector.register(process.stdout, selectors.EVENT_READ, child)
        try:
            process.stdin.write(job.model_dump_json().encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            pass  # it is dead already, as `wait` will hear

    def wait(self) -> list[Event]:
        """What the workers say next; nothing where `stop` was called."""
        events: list[Event] = []
        for key, _ in self._selector.select():
            if isinstance(key.data, _Child):
                events += self._hear(key.data)
        return events

    def stop(self) -> None:
        """Let `wait` return; from any thread."""
        os.write(self._wake, b".")

    def close(self) -> None:
        """End all children at once: what they have not finished is worth nothing."""
        for child in self._children:
            child.process.kill()
        for child in self._children:
            child.process.wait()
        self._children.clear()
        self._selector.close()
        os.close(self._woken)
        os.close(self._wake)

    def _hear(self, child: _Child) -> Sequence[Event]:
        assert child.process.stdout is not None
        data = os.read(child.process.stdout.fileno(), 1 << 16)
        if not data:
            return [self._end(child)]
        child.heard += data
        *lines, rest = child.heard.split(b"\n")
        child.heard = rest
        events: list[Event] = []
        for line in lines:
            try:
                events.append((child.job, MESSAGES.validate_json(line)))
            except ValidationError:  # a library writes to standard output
                continue
        return events

    def _end(self, child: _Child) -> Event:
        """Its pipe is closed: it is dead, or about to be."""
        assert child.process.stdin is not None and child.process.stdout is not None
        self._selector.unregister(child.process.stdout)
        self._children.remove(child)
        child.process.stdout.close()
        child.process.stdin.close()
        status = child.process.wait()
        kept = child.job.out / FAILED / child.log.name
        if status == 0:
            child.log.unlink(missing_ok=True)
        else:
            kept.parent.mkdir(exist_ok=True)
            with child.log.open("a", encoding="utf-8") as log:  # one that is killed has said nothing
                log.write(f"perception: the worker of {child.job.title} {_words(status)}\n")
            child.log.replace(kept)
        return child.job, Died(_words(status), kept)


def _words(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
