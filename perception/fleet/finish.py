"""The end of a drive: its folder is summed up, and appears in OUT whole."""

import shutil
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from perception.fleet.job import Job
from perception.fleet.record import DriveRecord, Pieces, Summing
from perception.fleet.table import write_table

FACTS = "facts.json"  # in a piece's folder


class Facts(BaseModel):
    """What a run says of itself, of a drive or of one of its pieces.

    Attributes:
        captured: frames, those that were dropped too.
        seconds: of work.
        model, engine: names and versions, for people.
        classes: as `class_records` has them.
    """

    captured: int
    seconds: float
    model: str
    engine: str
    classes: list[dict[str, Any]]

    def write(self, folder: Path) -> None:
        (folder / FACTS).write_text(self.model_dump_json(), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Facts":
        return cls.model_validate_json((folder / FACTS).read_bytes())


def finish(job: Job, draft: Path, facts: Facts, pieces: Pieces | None = None) -> DriveRecord:
    """Sum up what was written and rename its folder to OUT/NAME.

    Raises:
        PerceptionError: what is in it cannot be read.
        OSError: it cannot be written.
    """
    write_table(draft)
    sums = Summing(draft)
    record = DriveRecord(
        drive=job.shown,
        configuration=job.configuration,
        versions=job.versions,
        engine=facts.engine,
        model=facts.model,
        digest=sums.digest,
        frames=sums.frames,
        dropped=facts.captured - sums.frames,
        seconds=round(facts.seconds, 3),
        seen=sums.seen,
        statuses=sums.statuses,
        events=sums.events,
        classes=facts.classes,
        pieces=pieces,
    )
    record.write(draft)
    place = job.out / job.name
    if place.exists():  # of another configuration
        place.rename(draft.with_name(f"old-{draft.name}"))
    draft.rename(place)
    shutil.rmtree(job.folder.parent, ignore_errors=True)
    return record
