"""The command `perception fleet`."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated

import typer

from perception.app.logs import set_up as set_up_logs
from perception.app.output import AsJson, Engine, Model, show
from perception.app.signals import ignore_signals, stopping
from perception.engines.machine import usable_cores
from perception.errors import ConfigError, PerceptionError, SinkError
from perception.extras import explain, missing
from perception.fleet.children import Children
from perception.fleet.cluster import Cluster
from perception.fleet.cutting import OVERLAP_S
from perception.fleet.drives import Drive, find_drives
from perception.fleet.fleet import Fleet
from perception.fleet.job import FAILED, PARTIAL
from perception.fleet.plan import plan, read_settings, set_up
from perception.fleet.record import DriveRecord, read_record
from perception.fleet.summary import SUMMARY, summarise
from perception.fleet.watch import watching
from perception.sinks.lock import OutputLock
from perception.sources.registry import SOURCES

PIECE_MIN, LEAST_PIECE_MIN = 10.0, 0.5
MARK = ".fleet"  # in OUT


def fleet(
    places: Annotated[
        list[str],
        typer.Argument(
            help="Recordings: files, folders of images, globs, s3://, gs:// and file:// URIs, or a manifest, "
            ".txt or .json; the last one is the folder to write.",
            metavar="DRIVES... OUT/",
        ),
    ],
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Drives at a time [default: one for each core].", metavar="N"),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(help="Run on a cluster of Ray: auto, or its address.", metavar="auto|ADDRESS"),
    ] = None,
    retries: Annotated[
        int, typer.Option(min=0, max=100, help="Further attempts of a drive whose worker died.", metavar="N")
    ] = 2,
    piece: Annotated[
        float,
        typer.Option(
            min=0,
            help="Cut longer videos and logs into pieces of so many minutes; 0: never.",
            metavar="MINUTES",
        ),
    ] = PIECE_MIN,
    engine: Engine = None,
    model: Model = None,
    config: Annotated[
        Path | None, typer.Option(help="A YAML profile, as perception run takes it.", metavar="FILE")
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="The lens and mount of the camera of all drives, for metres on the road "
            "[default: what each source knows].",
            metavar="FILE",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """[fleet] Perceive many drives, each into a folder OUT/NAME/.

    A folder appears once it is whole, with scenes.parquet and done.json. Run it again to go on after a crash:
    what is done is not done again, unless the drive, the model, the engine, an option or a version has
    changed. Exit status: 0 all done, 1 some failed.

    \b
    Examples:
      perception fleet 'day/*.mp4' night.mcap out/ --jobs 4
      perception fleet manifest.json /shared/out/ --ray auto
    """
    if missing(("duckdb",)):
        raise ConfigError(explain(ModuleNotFoundError(name="duckdb"), "perception fleet"))
    if 0 < piece < LEAST_PIECE_MIN:
        raise ConfigError(
            f"piece {piece:g}: pieces overlap by {OVERLAP_S:g} s; give {LEAST_PIECE_MIN:g} minutes or more, "
            "or 0 for none"
        )
    *drives, last = places
    if not drives:
        raise ConfigError(
            "OUT is missing: give drives and a folder, as in: perception fleet 'day/*.mp4' out/"
        )
    settings = read_settings(config, model, engine, calibration)
    out, begun = Path(last), time.monotonic()
    set_up_logs(settings.log, quiet)
    there = cache(read_record)  # of each folder, as it is before the first drive begins
    found = find_drives(drives, lambda name: getattr(there(out / name), "drive", None))
    _check_apart(found, out)
    workers = 1 if ray else max(1, usable_cores() // (jobs or usable_cores()))
    setup = set_up(settings, workers, 60 * piece, quiet=quiet, here=ray is None)
    with _locked(out), ExitStack() as stack:
        todo, done = plan(found, setup, out, there)
        _claim(out)
        _remove_leftovers(out)
        stack.callback(_remove_leftovers, out, logs=False)
        failures, retried, received = {}, 0, []
        if todo:
            executor = Cluster(ray, jobs, setup.engine) if ray else Children(jobs or usable_cores())
            stack.enter_context(closing(executor))
            watch = stack.enter_context(watching(len(todo), quiet or as_json))
            running = Fleet(todo, executor, retries, watch)
            with stopping(running.stop) as received:
                running.run()
            failures, retried = running.failures, running.retried
        new = [record for one in todo if (record := _of_now(out / one.name, one.configuration))]
        summary = summarise(
            [*done.values(), *new],
            new,
            failures,
            drives=len(found),
            retried=retried,
            seconds=time.monotonic() - begun,
            setup=setup,
        )
        summary.write(out)
    if not quiet or as_json:
        show(summary, as_json)
    if received:
        ignore_signals()
        raise typer.Exit(128 + received[0])
    if failures:
        raise PerceptionError(f"{len(failures)} of {len(found)} drives failed; {out / SUMMARY} says why")


def _check_apart(drives: Sequence[Drive], out: Path) -> None:
    """Raises: ConfigError: OUT is a folder of recordings: most likely it was forgotten."""
    place = out.resolve()
    for one in drives:
        path = None if one.remote else SOURCES.parse(one.uri).path
        if path is not None and path.is_relative_to(place):
            raise ConfigError(
                f"OUT {out}: holds the drive {one.shown}; give a folder of its own last, as in: "
                "perception fleet 'day/*.mp4' out/"
            )


def _of_now(folder: Path, configuration: str) -> DriveRecord | None:
    """The record that this fleet has written."""
    record = read_record(folder)
    return record if record is not None and record.configuration == configuration else None


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Raises: SinkError: another fleet writes there, or nobody can, or no process can be started."""
    try:
        lock = OutputLock(out, folder=True)
    except OSError as error:
        raise SinkError(f"fleet {out}: cannot be written ({error.strerror})") from error
    try:
        yield
    except OSError as error:
        raise SinkError(f"fleet {out}: {error}; run it again to go on") from error
    finally:
        lock.release()


def _claim(out: Path) -> None:
    """Mark a folder as a fleet's: what lies there under the names that it uses is replaced and removed.

    Raises:
        ConfigError: something else is there under one of them.
    """
    if (out / MARK).exists():
        return
    for name in (PARTIAL, FAILED, SUMMARY):
        if os.path.lexists(out / name):
            raise ConfigError(
                f"{out / name}: is there, and perception fleet has not made it; remove it, or write to "
                "another folder"
            )
    (out / MARK).touch()


def _remove_leftovers(out: Path, logs: bool = True) -> None:
    """Of a fleet that has ended, however it did; with what its drives logged where they failed."""
    shutil.rmtree(out / PARTIAL, ignore_errors=True)
    if logs:
        shutil.rmtree(out / FAILED, ignore_errors=True)
