"""done.json: what a finished drive is the answer of, and what was seen in it."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from perception.errors import DataError
from perception.interchange.files.records import HEALTH, SCENES
from perception.parsing import Model, faults, parse_json

DONE = "done.json"
# Of a scene, what differs from run to run: how fast this machine was.
TIMINGS = ("age_ms", "timings_ms")
MAPS = ("labels.png", "instances.png")


class Users(BaseModel):
    """Road users of one class, or lanes.

    Attributes:
        instances: over all frames.
        frames: in which there is one.
        tracks: that they had.
    """

    model_config = ConfigDict(frozen=True)

    instances: int = 0
    frames: int = 0
    tracks: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(
            instances=self.instances + other.instances,
            frames=self.frames + other.frames,
            tracks=self.tracks + other.tracks,
        )


class Pieces(BaseModel):
    """A drive that was cut, perceived in pieces and joined.

    Attributes:
        count: of pieces.
        overlap_frames: that were perceived twice, for the trackers of each next piece.
        tracks_mapped: that go on over a seam, under the id that they had before it.
        tracks_renumbered: that begin after a seam: they go on counting.
        differing_frames: of the last second before a seam, in which the two pieces say different things: 0
            means that the trackers had come to agree.
    """

    model_config = ConfigDict(frozen=True)

    count: int
    overlap_frames: int
    tracks_mapped: int
    tracks_renumbered: int
    differing_frames: int


class DriveRecord(BaseModel):
    """A finished drive. Keys that are not known are kept out: later versions may add some.

    Attributes:
        drive: its URI, without secrets.
        configuration: SHA-256 of all that determines the answer; see `configuration_of`.
        versions: of the distributions that ran it.
        digest: SHA-256 of label maps, instance maps and scenes without timings: the same on each machine that
            gives the same answer.
        frames: published scenes.
        dropped: frames that could not be read.
        seconds: of work, the sum of all pieces.
        seen: by class, and "lanes".
        statuses: scenes by status.
        events: how often each condition of health began.
        classes: of the label maps, as `class_records` has them.
        pieces: None: it was perceived in one.
    """

    model_config = ConfigDict(frozen=True)

    drive: str
    configuration: str
    versions: dict[str, str]
    engine: str
    model: str
    digest: str
    frames: int
    dropped: int
    seconds: float
    seen: dict[str, Users]
    statuses: dict[str, int]
    events: dict[str, int]
    classes: list[dict[str, Any]]
    pieces: Pieces | None = None

    def write(self, folder: Path) -> None:
        """Raises: OSError."""
        (folder / DONE).write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_record(folder: Path) -> DriveRecord | None:
    """Of a finished drive; None: there is none.

    Raises:
        DataError: it is broken, or of a version that is not known.
    """
    return read_written(folder / DONE, DriveRecord, f"remove {folder} to have it done again")


def read_written(path: Path, model: type[Model], remedy: str) -> Model | None:
    """What a fleet has written to a file; None: there is none.

    Raises:
        DataError: it is broken, or of a version that is not known.
    """
    try:
        return model.model_validate_json(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValidationError) as error:
        words = "; ".join(faults(error)[:3]) if isinstance(error, ValidationError) else error
        raise DataError(f"{path}: not what perception fleet writes ({words}); {remedy}") from error


def configuration_of(facts: Mapping[str, Any]) -> str:
    """SHA-256 of plain values."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def scene_lines(folder: Path) -> Iterator[dict[str, Any]]:
    """The lines of scenes.jsonl, in their order.

    Raises:
        DataError: one is no JSON.
    """
    with (folder / SCENES).open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                yield parse_json(line)
            except ValueError as error:
                raise DataError(f"{folder / SCENES}: line {number} is broken ({error})") from error


def lasting(scene: dict[str, Any]) -> dict[str, Any]:
    """A scene without what differs from run to run."""
    return {key: value for key, value in scene.items() if key not in TIMINGS}


class Summing:
    """Sums up a drive's folder: its digest and what was seen, in one pass."""

    def __init__(self, folder: Path) -> None:
        digest, self.frames = hashlib.sha256(), 0
        instances, frames = Counter[str](), Counter[str]()
        tracks: dict[str, set[int]] = {}
        statuses = Counter[str]()
        for scene in scene_lines(folder):
            self.frames += 1
            digest.update(json.dumps(lasting(scene), sort_keys=True).encode())
            for path in (folder / f"{scene['stem']}.{one}" for one in MAPS):
                if path.exists():
                    digest.update(path.read_bytes())
            found = [one["class"] for one in scene["instances"]] + ["lanes"] * len(scene["lanes"])
            instances.update(found)
            frames.update(set(found))
            for one in scene["instances"]:
                if one["track"] is not None:
                    tracks.setdefault(one["class"], set()).add(one["track"])
            statuses[scene["status"]] += 1
        self.digest = digest.hexdigest()
        self.statuses = dict(statuses)
        self.seen = {
            name: Users(instances=instances[name], frames=count, tracks=len(tracks.get(name, ())))
            for name, count in frames.most_common()
        }
        self.events = dict(_begun(folder / HEALTH))


def _begun(path: Path) -> Counter[str]:
    """How often each condition was there, and was not in the line before."""
    begun, last = Counter[str](), set[str]()
    for line in path.read_bytes().splitlines() if path.exists() else ():
        now = {one["name"] for one in parse_json(line)["conditions"]}
        begun.update(now - last)
        last = now
    return begun
