"""What a fleet has to do: one configuration for all its drives, and a job for each that is not done yet."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perception.app.config import AUTO, RunConfig
from perception.app.progress import show_builds
from perception.bundle.bundle import Bundle
from perception.engines.selection import exact_versions
from perception.errors import ConfigError
from perception.fleet.drives import Drive
from perception.fleet.job import Job
from perception.fleet.record import DONE, DriveRecord, configuration_of
from perception.geometry.calibration_file import read_calibration
from perception.parsing import read_yaml
from perception.perceiver import Perceiver

# Of a profile: what the fleet itself decides, and what would make an answer depend on how fast a machine is.
REFUSED = ("source", "cameras", "sinks", "workers", "realtime", "loop", "policy", "max_age", "give_up")
MANIFEST = "bundle.json"  # has the checksums of all other files of a bundle
FILES, BUNDLES = ("ego_mask", "calibration"), ("model", "denoise")
NO_ANSWER = ("log", "min_rate", "max_age", "give_up", "workers", "realtime", "loop", "policy")


@dataclass(frozen=True)
class Setup:
    """How all drives are perceived.

    Attributes:
        settings: of `RunConfig`, without source and sinks.
        engine: by its name; never "auto".
        model: its name and version.
        facts: all that determines the answer, but for the drive.
        longest: seconds from which on drives are cut; 0: none is.
    """

    settings: dict[str, Any]
    engine: str
    model: str
    facts: dict[str, Any]
    longest: float

    def configuration(self, drive: Drive) -> str:
        return configuration_of(self.facts | {"drive": drive.facts})


def read_settings(
    config: Path | None, model: str | None, engine: str | None, calibration: Path | None = None
) -> RunConfig:
    """The profile's values, overridden by those that are not None.

    Raises:
        ConfigError: it cannot be read, or says what a fleet decides by itself.
    """
    given = [] if config is None else [key for key in read_yaml(config) if key in REFUSED]
    if given:
        raise ConfigError(
            f"{config}: {', '.join(given)}: not for a fleet, which reads every frame of DRIVES as fast as it "
            "can, and writes to OUT; leave it out"
        )
    camera = None if calibration is None else str(calibration)
    return RunConfig.read(config, source="sim:", model=model, engine=engine, calibration=camera)


def set_up(settings: RunConfig, workers: int, longest: float, *, quiet: bool, here: bool) -> Setup:
    """Choose the engine, once for all, and check all that no drive can be perceived without.

    Args:
        workers: frames in the network at a time, of each drive.
        longest: seconds from which on drives are cut.
        here: the drives are perceived on this machine: the engine must run, and be built, here.

    Raises:
        PerceptionError: the model or the engine cannot be used.
    """
    engine = settings.engine
    if here or engine == AUTO:
        with show_builds(quiet) as on_build:
            perceiver = Perceiver.load(
                settings.model,
                engine,
                threads=1,
                instances=settings.instances,
                crf=settings.crf,
                denoise=settings.denoise,
                min_score=settings.min_score,
                pixels=settings.pixels,
                on_build=on_build,
            )
        engine = perceiver.engine.name
    values = settings.model_dump(mode="json", exclude={"source", "cameras", "sinks"})
    values |= {"engine": engine, "workers": workers}
    if AUTO in settings.by_camera(settings.ego_mask).values():
        longest = 0.0  # each piece would find a mask of its own
    facts = {key: value for key, value in values.items() if key not in NO_ANSWER}
    bundle = Bundle.load(settings.model)
    facts |= {"versions": exact_versions(), "longest": longest, "model": _sha(bundle.folder / MANIFEST)}
    if settings.denoise is not None:
        facts["denoise"] = _sha(Bundle.load(settings.denoise).folder / MANIFEST)
    for one in settings.by_camera(settings.calibration).values():
        read_calibration(Path(one))  # now, not in each of a thousand drives
    for key in FILES:
        files = settings.by_camera(getattr(settings, key))
        facts[key] = {camera: one if one == AUTO else _sha(Path(one)) for camera, one in files.items()}
        values[key] = {camera: one if here else _absolute(one) for camera, one in files.items()} or None
    if not here:
        values |= {key: _absolute(values[key]) for key in BUNDLES if os.sep in (values[key] or "")}
    return Setup(values, engine, f"{bundle.info.name} {bundle.info.version}", facts, longest)


def _absolute(place: str) -> str:
    """As other machines know it, which begin elsewhere."""
    return place if place == AUTO else str(Path(place).absolute())


def plan(
    drives: Sequence[Drive], setup: Setup, out: Path, there: Callable[[Path], DriveRecord | None]
) -> tuple[list[Job], dict[str, DriveRecord]]:
    """A job for each drive that is to be done, and the records of those that are done.

    Args:
        there: what reads a folder's record.

    Raises:
        ConfigError: something else has the place of a drive.
        DataError: a done.json is broken.
    """
    jobs, done = [], {}
    for drive in drives:
        configuration = setup.configuration(drive)
        record = there(out / drive.name)
        if record is not None and record.configuration == configuration:
            done[drive.name] = record
            continue
        if record is None and (out / drive.name).exists():
            raise ConfigError(
                f"{out / drive.name}: is there, and perception fleet has not made it: it has no {DONE}; "
                "remove it, or write to another folder"
            )
        job = Job(
            name=drive.name,
            uri=drive.uri,
            shown=drive.shown,
            out=out.resolve(),
            settings=setup.settings,
            configuration=configuration,
            versions=setup.facts["versions"],
            remote=drive.remote,
            longest=0.0 if drive.remote else setup.longest,  # each piece would fetch it again
        )
        jobs.append(job)
    return jobs, done


def _sha(path: Path) -> str:
    """Raises: ConfigError: it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from error
