"""A worker: one job in a process of its own, read from standard input and answered on standard output.

Standard input stays open as long as the fleet lives: a worker does not outlive it.
"""

import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from perception.app.build import open_rig
from perception.app.config import RunConfig
from perception.app.logs import set_up, threads_heard
from perception.classes import NO_CLASSES
from perception.engines.selection import exact_versions
from perception.errors import BundleError, ConfigError, DataError, PerceptionError, SourceError
from perception.fleet import cutting, joining
from perception.fleet.finish import Facts, finish
from perception.fleet.job import Failed, Finished, Job, Outcome, Progress, TooLong
from perception.interchange.files.records import class_records
from perception.redact import masked, printable
from perception.scene import Scene
from perception.sources.base import Source

PROGRESS_S = 0.5  # between two words of how far it is
_OF_THE_DRIVE = (BundleError, ConfigError, DataError, SourceError)  # each attempt would meet them

OnProgress = Callable[[Progress], None]


def main() -> None:
    """Entry of the process."""
    job = Job.model_validate_json(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_the_fleet, daemon=True).start()
    set_up(job.settings["log"], False)
    with threads_heard():
        outcome = work(job, _say)
    logging.shutdown()  # with lines that were held back
    if isinstance(outcome, Failed):
        sys.stderr.write(f"perception: {outcome.why}\n")  # for the log
        sys.stderr.flush()
    _say(outcome)
    # All is written: what libraries do at a normal end costs time, and may crash.
    os._exit(isinstance(outcome, Failed))


def _end_with_the_fleet() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def _say(message: Progress | Outcome) -> None:
    sys.stdout.write(message.model_dump_json() + "\n")
    sys.stdout.flush()


def work(job: Job, on_progress: OnProgress) -> Outcome:
    """Do the job; what another attempt has left of it is removed first.

    Each attempt writes to a folder of its own: of a cluster's machine that is given up for lost, the worker
    may go on, and what it writes must not get into the drive.
    """
    if (here := exact_versions()) != job.versions:
        return Failed(why=f"its worker has {_shown(here)}, not {_shown(job.versions)}", final=False)
    try:
        for left in job.folder.parent.glob(f"{job.folder.name}*"):
            shutil.rmtree(left, ignore_errors=True)
        draft = job.folder.with_name(f"{job.folder.name}-{os.urandom(8).hex()}")
        draft.mkdir(parents=True)
        if job.join:
            return joining.join(job, draft)
        with ExitStack() as stack:
            place = job.uri
            if job.remote:
                from perception.fleet.fetch import fetched  # noqa: PLC0415 - drives on this machine do without

                place = stack.enter_context(fetched(place, draft.with_name(f"{draft.name}-fetched")))
            if cuts := cutting.cuts_of(place, job):
                return TooLong(cuts=cuts)
            return _perceive(job, draft, place, on_progress)
    except PerceptionError as error:
        return Failed(why=printable(masked(str(error))), final=isinstance(error, _OF_THE_DRIVE))
    except OSError as error:
        return Failed(why=printable(masked(f"{job.shown}: {error}")), final=False)


def _shown(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _perceive(job: Job, draft: Path, place: str, on_progress: OnProgress) -> Outcome:
    part = place if job.cut is None else cutting.part_of(place, job.cut)
    published, facts = _run(job, draft, part, on_progress)
    if job.cut is None:
        finish(job, draft, facts)
    else:
        facts.write(draft)
        draft.rename(job.folder)
    return Finished(frames=published)


def _run(job: Job, draft: Path, place: str, on_progress: OnProgress) -> tuple[int, Facts]:
    """How many scenes were published, and the facts; the engine's memory is free again for what follows."""
    settings = RunConfig.model_validate(job.settings | {"source": place, "sinks": [f"{draft}/"]})
    begun = time.monotonic()
    with ExitStack() as stack:
        rig = open_rig(
            settings,
            stack,
            quiet=True,
            on_scene=partial(_moves, on_progress=on_progress, most=settings.frames),
            on_health=lambda health: None,
        )
        rig.run()
    [node] = rig.nodes
    report, perceiver = node.report(), node.perceiver
    classes = perceiver.classes if perceiver.info.labelled else NO_CLASSES
    facts = Facts(
        captured=report.captured,
        seconds=time.monotonic() - begun,
        model=report.model,
        engine=report.engine,
        classes=class_records(classes),
    )
    return report.published, facts


def _moves(source: Source, on_progress: OnProgress, most: int | None) -> Callable[[Scene], None]:
    """Says how far it is, now and then."""
    expected = min([one for one in (source.length, most) if one], default=None)
    frames, last = 0, 0.0

    def move(_: Scene) -> None:
        nonlocal frames, last
        frames += 1
        if time.monotonic() - last > PROGRESS_S:
            last = time.monotonic()
            on_progress(Progress(frames=frames, expected=expected))

    return move


if __name__ == "__main__":
    main()
