"""The installed `perception run` as a child, and what it says while faults are put into it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any

from perception.errors import SourceError
from perception.sources.registry import open_source
from perception.types import NS_PER_S
from tests.e2e.faults.table import Rows

COMMAND = Path(sys.executable).with_name("perception")
Values = dict[str, Any]
START_S = 60.0  # for the node to come up on a machine that has other things to do


class Lines:
    """A file of JSON lines that another process writes: removed and begun anew as it pleases."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._inode, self._read = 0, 0
        self._values: list[Values] = []

    def read(self) -> list[Values]:
        """All whole lines so far; also those of files that are gone."""
        try:
            with self._path.open("rb") as file:
                state = os.fstat(file.fileno())
                if state.st_ino != self._inode or state.st_size < self._read:
                    self._inode, self._read = state.st_ino, 0
                file.seek(self._read)
                whole = file.read().rpartition(b"\n")[0]
        except FileNotFoundError:
            return self._values
        if whole:
            self._read += len(whole) + 1
            self._values += [json.loads(line) for line in whole.split(b"\n")]
        return self._values


class Node:
    """`perception run ARGUMENTS` in a folder; the sink `told/` in it is what tests read.

    All times are by the monotonic clock, which this process and the node share.

    Attributes:
        events: what the node logged, each with when it was heard, `at_ns`.
    """

    def __init__(
        self,
        rows: Rows,
        folder: Path,
        *arguments: object,
        sink: str = "told",
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._rows = rows
        self._pending: list[tuple[str, str, float | None, tuple[int, int], float | None]] = []
        self.events: list[Values] = []
        self.said = ""  # of stderr, all
        self._healths, self._scenes = (
            Lines(folder / sink / "health.jsonl"),
            Lines(folder / sink / "scenes.jsonl"),
        )
        self.process = subprocess.Popen(
            [COMMAND, "run", *map(str, arguments), "--log", "json", "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, **(env or {})},
        )
        self._hearing = Thread(target=self._hear)
        self._hearing.start()

    def _hear(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            if line.startswith("{"):
                self.events.append({**json.loads(line), "at_ns": time.monotonic_ns()})

    @property
    def healths(self) -> list[Values]:
        """The lines of health.jsonl."""
        return self._healths.read()

    @property
    def scenes(self) -> list[Values]:
        """The lines of scenes.jsonl."""
        return self._scenes.read()

    def until(self, what: str, find: Callable[[], Any], within_s: float) -> Any:
        """What `find` gives, once it is something."""
        deadline = time.monotonic() + within_s
        while not (found := find()):
            assert time.monotonic() < deadline, f"{what}: not within {within_s} s; {self._state()}"
            assert self.process.poll() is None, f"{what}: the node ended; {self.said}"
            time.sleep(0.01)
        return found

    def _state(self) -> str:
        events = [event["message"] for event in self.events[-5:]]
        return f"health {self.healths[-1:]}, events {events}, {self.said[-500:]}"

    def health(self, since_ns: int, test: Callable[[Values], bool], within_s: float) -> Values:
        """The first line of health from then on that passes, which tells of a state within that time."""
        last = since_ns + within_s * NS_PER_S

        def find() -> Values | None:
            new = (one for one in self.healths if since_ns <= one["stamp_ns"])
            return next((one for one in new if test(one)), None)

        found: Values = self.until("health", find, within_s + 5)  # it takes a while to be written
        assert found["stamp_ns"] < last, (
            f"health: after {(found['stamp_ns'] - since_ns) / NS_PER_S} s: {found}"
        )
        return found

    def told(self, since_ns: int, signal: str, within_s: float) -> float:
        """Seconds until the node told of that signal."""
        found = self.health(since_ns, lambda one: bool(one["signal"] == signal), within_s)
        return float((found["stamp_ns"] - since_ns) / NS_PER_S)

    def condition(self, since_ns: int, name: str, words: str, within_s: float) -> tuple[str, float]:
        """The reason of the first condition of that name with these words, and seconds until it was told."""

        def test(health: Values) -> bool:
            return bool(reasons(health, name, words))

        found = self.health(since_ns, test, within_s)
        return reasons(found, name, words)[0], (found["stamp_ns"] - since_ns) / NS_PER_S

    def event(self, since_ns: int, name: str, words: str, within_s: float) -> tuple[str, float]:
        """The message of the first such event with these words in the log, and seconds until it was heard."""

        def find() -> Values | None:
            new = [one for one in self.events if one["at_ns"] >= since_ns and one.get("event") == name]
            return next((one for one in new if words in one["message"]), None)

        found = self.until(f"event {name}: {words}", find, within_s)
        return str(found["message"]), (found["at_ns"] - since_ns) / NS_PER_S

    def scene(self, since_ns: int, within_s: float, status: str = "ok") -> tuple[Values, float]:
        """The first scene of that status whose frame was captured from then on, and seconds until it was
        published."""

        def find() -> Values | None:
            new = (one for one in self.scenes if one["stamp_ns"] >= since_ns and one["status"] == status)
            return next(new, None)

        found = self.until(f"a scene that is {status}", find, within_s)
        return found, (found["stamp_ns"] - since_ns) / NS_PER_S + found["age_ms"] / 1000

    def fresh(self, since_ns: int, within_s: float) -> float:
        """Seconds until the first good scene of a frame from then on was published."""
        return self.scene(since_ns, within_s)[1]

    def sound(self) -> None:
        """Wait until the node is up, and its scenes are good."""
        self.told(time.monotonic_ns(), "ok", START_S)
        self.fresh(time.monotonic_ns(), START_S)

    def row(
        self, fault: str, says: str, after_s: float | None, begun_ns: int, recovered_s: float | None = None
    ) -> None:
        """A row of the table; what is lost from then until now is counted once the node has ended."""
        window = begun_ns, time.monotonic_ns()
        self._pending.append((fault, says, after_s, window, recovered_s))

    def _lost(self, begun_ns: int, ended_ns: int) -> str:
        if not self.healths:
            return "nothing"
        before = [one for one in self.healths if one["stamp_ns"] <= begun_ns]
        after = next((one for one in self.healths if one["stamp_ns"] >= ended_ns), self.healths[-1])
        had = before[-1]["dropped"] if before else {}
        counts = {reason: count - had.get(reason, 0) for reason, count in after["dropped"].items()}
        return ", ".join(f"{count} {reason}" for reason, count in counts.items() if count) or "nothing"

    def end(self, status: int = 143, number: signal.Signals | None = signal.SIGTERM) -> Values:
        """End it by that signal, or wait for its end; its final report, whose account must be exact."""
        if number is not None:
            self.process.send_signal(number)
        assert self.process.stdout is not None
        out = self.process.stdout.read()
        found = self.process.wait(START_S)
        self._hearing.join()
        assert found == status, f"{found}: {self.said}"
        assert "Traceback" not in self.said, self.said
        report: Values = json.loads(out)
        for one in [report] if "captured" in report else report.values():
            check_account(one)
        return report

    def __enter__(self) -> "Node":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._hearing.join()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        for fault, says, after_s, window, recovered_s in self._pending:
            self._rows.add(fault, says, after_s, self._lost(*window), recovered_s)


def reasons(health: Values, name: str, words: str = "") -> list[str]:
    """Of the conditions of that name."""
    conditions = [one for one in health["conditions"] if one["name"] == name]
    return [one["reason"] for one in conditions if words in one["reason"]]


def check_account(report: Values) -> None:
    """captured = published + dropped, and each sink was offered what was published."""
    assert report["captured"] == report["published"] + sum(report["dropped"].values()), report
    for sink in report["sinks"]:
        assert sink["written"] + sum(sink["lost"].values()) == report["published"], sink
        assert not sink["queued"], sink


def readable(video: Path) -> int:
    """How many frames of a video can be read, up to where it was cut off."""
    count = 0
    with closing(open_source(str(video))) as source, suppress(SourceError):
        for _ in source:
            count += 1
    return count
