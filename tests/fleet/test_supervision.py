"""How jobs follow one another, and what people see of it; the workers say what they are asked to."""

import io
import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from rich.console import Console
from rich.progress import Progress as Bar

from perception.console import heading
from perception.fleet.cutting import cut
from perception.fleet.executor import Died, Event
from perception.fleet.fleet import Fleet
from perception.fleet.job import FAILED, Apart, Failed, Finished, Job, Outcome, Progress, TooLong
from perception.fleet.watch import Bars, Lines

Answer = Callable[[Job], Outcome | None]


class Scripted:
    """Runs jobs as `answer` says; None: the worker dies."""

    def __init__(self, answer: Answer, slots: int = 2) -> None:
        self.slots, self._answer = slots, answer
        self.jobs: list[Job] = []
        self._running: list[Job] = []

    def start(self, job: Job) -> None:
        self.jobs.append(job)
        self._running.append(job)

    def wait(self) -> list[Event]:
        job = self._running.pop(0)
        outcome = self._answer(job)
        events: list[Event] = [] if outcome is None else [(job, outcome)]
        if isinstance(outcome, Finished) and not job.join:
            events.insert(0, (job, Progress(frames=1, expected=4)))
        return [*events, (job, Died("was ended by SIGKILL", job.out / FAILED / f"{job.title}.log"))]

    def stop(self) -> None: ...
    def close(self) -> None: ...


class Heard(Lines):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def said(self, words: str) -> None:
        self.words.append(words)


def job(out: Path, name: str = "a") -> Job:
    facts = {"uri": f"{name}.mp4", "shown": "", "settings": {}, "configuration": "", "versions": {}}
    return Job.model_validate({"name": name, "out": out, "longest": 60, **facts})


def by_turns(*outcomes: Outcome | None) -> Answer:
    turns: Iterator[Outcome | None] = iter(outcomes)
    return lambda job: next(turns)


DONE = Finished(frames=4)
PIECES = TooLong(cuts=cut(180.0, 60.0))
assert len(PIECES.cuts) == 3


def test_pieces_that_do_not_fit_are_done_in_one(tmp_path: Path) -> None:
    executor, heard = Scripted(by_turns(PIECES, DONE, DONE, DONE, Apart(why="they differ"), DONE)), Heard()
    fleet = Fleet([job(tmp_path)], executor, 0, heard)
    fleet.run()
    assert [one.title for one in executor.jobs] == [
        "a", "a piece 1", "a piece 2", "a piece 3", "a join", "a",
    ]  # fmt: skip
    last = executor.jobs[-1]
    assert (last.cut, last.join, last.longest, last.attempt) == (None, (), 0, 1)  # nor is it cut again
    assert heard.words == ["a: cannot be joined, and is done in one: they differ"]
    assert not fleet.failures and not fleet.retried


def test_a_piece_that_fails_ends_its_drive_alone(tmp_path: Path) -> None:
    broken = Failed(why="broken", final=True)
    executor, heard = Scripted(by_turns(PIECES, DONE, broken, DONE, DONE), slots=2), Heard()
    fleet = Fleet([job(tmp_path), job(tmp_path, "b")], executor, 2, heard)
    fleet.run()
    assert fleet.failures == {"a": "broken"} and heard.words == ["a piece 1 failed: broken"]
    # The piece that ran already ends without a word; the third never begins.
    assert [one.title for one in executor.jobs] == ["a", "b", "a piece 1", "a piece 2"]


def test_logs_of_other_drives_stay(tmp_path: Path) -> None:
    folder = tmp_path / FAILED
    folder.mkdir()
    for name in ("a", "a piece 2", "ab", "a-piece-2", "a.b"):
        (folder / f"{name}.log").touch()
    Fleet([job(tmp_path)], Scripted(by_turns(None, DONE)), 1, Lines()).run()
    assert {one.stem for one in folder.iterdir()} == {"ab", "a-piece-2", "a.b"}
    for name in ("ab", "a-piece-2", "a.b"):
        Fleet([job(tmp_path, name)], Scripted(by_turns(DONE)), 1, Lines()).run()
    assert not folder.exists()


@pytest.fixture
def bar() -> Bar:
    return Bar(console=Console(file=io.StringIO()))


def overall(bar: Bar) -> tuple[float, str]:
    return bar.tasks[0].completed, bar.tasks[0].fields["count"]


def test_bars_count_drives_by_their_frames(tmp_path: Path, bar: Bar) -> None:
    bars, a, b = Bars(bar, 2, heading), job(tmp_path), job(tmp_path, "b[x]")
    assert overall(bar) == (0, "0 of 2 drives, 0 frames")
    bars.moved(a, Progress(frames=30, expected=120))
    bars.moved(b, Progress(frames=7))  # of which it is not known how long it is
    assert overall(bar) == (0.25, "0 of 2 drives, 37 frames")
    rows = [(one.description, one.completed, one.total, one.fields["count"]) for one in bar.tasks[1:]]
    assert rows == [("a", 30, 120, "30 of 120 frames"), (r"b\[x]", 7, None, "7 frames")]
    bars.moved(a, Progress(frames=130, expected=120))  # longer than it says
    assert overall(bar) == (1, "0 of 2 drives, 137 frames")
    bars.ended(a, Fraction(1))
    bars.ended(b, Fraction(0))  # its worker has died
    assert overall(bar) == (1, "1 of 2 drives, 137 frames") and len(bar.tasks) == 1
    bars.moved(b, Progress(frames=5, expected=10))
    assert overall(bar) == (1.5, "1 of 2 drives, 135 frames")


def test_a_drive_in_pieces_is_one_drive(tmp_path: Path, bar: Bar) -> None:
    places = []

    class Watched(Bars):
        def ended(self, job: Job, share: Fraction) -> None:
            super().ended(job, share)
            places.append(round(overall(bar)[0], 3))

    answers = by_turns(PIECES, DONE, None, DONE, DONE, Apart(why=""), DONE)
    Fleet([job(tmp_path)], Scripted(answers, slots=1), 1, Watched(bar, 1, heading)).run()
    assert places == [0, 0.333, 0.333, 0.667, 1, 0, 1]
    assert overall(bar)[1] == "1 of 1 drives, 16 frames"
    # Frames of pieces are counted once, not again as they are joined.
    whole = Bars(Bar(console=Console(file=io.StringIO())), 1, heading)
    Fleet([job(tmp_path)], Scripted(by_turns(PIECES, DONE, DONE, DONE, DONE)), 1, whole).run()
    assert overall(whole._bar) == (1, "1 of 1 drives, 12 frames")


TALKATIVE = """
import logging
from types import SimpleNamespace
from perception.fleet import worker
from perception.fleet.job import Failed

def work(job, say):
    for number in range(12):
        logging.getLogger("perception").warning("line %s", number)
    return Failed(why="it was too long", final=True)

worker.Job = SimpleNamespace(model_validate_json=lambda line: SimpleNamespace(settings={"log": "text"}))
worker.work = work
worker.main()
"""


def test_a_worker_ends_with_the_lines_that_it_held_back() -> None:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", TALKATIVE], stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stdin and process.stderr
        process.stdin.write(b"{}\n")
        process.stdin.flush()  # and stays open: a worker does not outlive who holds it
        said = process.stderr.read().decode()
        assert process.wait(60) == 1
    assert said.count(" line ") == 11
    assert "2 more in the last minute; the last one: line 11\nperception: it was too long\n" in said
