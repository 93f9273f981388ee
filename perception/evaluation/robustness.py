"""How much of mean IoU is kept on corrupted frames, and whether health reports it."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict
from rich.progress import track
from rich.table import Column, Table
from rich.text import Text

from perception.classes import ClassSet
from perception.console import Console, heading
from perception.datasets.corruptions import CORRUPTIONS, SEVERITIES
from perception.datasets.dataset import Dataset, public_name
from perception.engines.machine import usable_cores
from perception.errors import ConfigError, DataError
from perception.evaluation.gallery import captioned
from perception.evaluation.judged import Judged
from perception.evaluation.metrics.semantic import Confusion
from perception.evaluation.scoring import Subject, walk
from perception.frame import Frame
from perception.health.types import Finding, Level
from perception.scene import Scene
from perception.types import Image

MISLEADS = 0.7  # of mean IoU: what keeps less must be flagged
FLAGGED = 0.5  # of a cell's frames
RATE = 10  # frames a second, as which the frames are shown
LEAST = 50  # frames to show, clean and then corrupted: some checks judge over seconds


class Checks(Protocol):
    """`perception.quality.image.ImageChecks`: sees one camera's frames in their order."""

    def check(self, frame: Frame, scene: Scene) -> Sequence[Finding]: ...


class Cell(BaseModel):
    """One corruption at one severity.

    Attributes:
        retained: share of the clean frames' mean IoU.
        warned, refused: share of the frames at whose worst finding health warns, or says ERROR.
        findings: share of the frames with each finding.
    """

    model_config = ConfigDict(extra="forbid")

    corruption: str
    severity: int
    mean_iou: float
    retained: float
    warned: float
    refused: float
    findings: dict[str, float]

    @property
    def misleads(self) -> bool:
        return self.retained < MISLEADS

    @property
    def flagged(self) -> bool:
        return self.warned + self.refused >= FLAGGED


class Robustness(BaseModel):
    """What `perception evaluate --corruptions` found on one data set.

    `false_alarms` are findings of the clean frames, with the share of the frames.
    """

    model_config = ConfigDict(extra="forbid")

    set: str
    frames: int
    mean_iou: float
    false_alarms: dict[str, float]
    cells: tuple[Cell, ...]

    def verdict(self) -> str:
        misleading = [cell for cell in self.cells if cell.misleads]
        flagged = sum(cell.flagged for cell in misleading)
        others = sum(cell.flagged for cell in self.cells) - flagged
        alarms = ", ".join(f"{name} in {share:.0%}" for name, share in self.false_alarms.items()) or "none"
        return (
            f"Less than {MISLEADS:.0%} of mean IoU is kept in {len(misleading)} of {len(self.cells)} cells; "
            f"health flags {flagged} of them, and {others} of the others. "
            f"Findings in the {self.frames} clean frames: {alarms}."
        )


class RobustnessReport(BaseModel):
    """What `perception evaluate --corruptions --output` writes."""

    model_config = ConfigDict(extra="forbid")

    model: str
    engine: str
    sets: tuple[Robustness, ...]


def corruptions_of(names: str) -> list[str]:
    """Read `NAME,NAME` or `all`; raises ConfigError for an unknown name."""
    chosen = list(CORRUPTIONS) if names == "all" else list(dict.fromkeys(names.split(",")))
    for name in chosen:
        if name not in CORRUPTIONS:
            raise ConfigError(
                f"corruption {name!r}: not known; give all, or some of {', '.join(CORRUPTIONS)}"
            )
    return chosen


def measure(
    subject: Subject,
    dataset: Dataset,
    names: Collection[str],
    *,
    every: int,
    make_checks: Callable[[], Checks],
) -> Robustness:
    """Run every corruption at every severity over the same frames.

    To the checks, each is a drive of its own: it begins with clean frames, so that what compares with earlier
    ones can; then the picture goes bad. Where there are fewer than `LEAST`, they are shown over and over.

    Args:
        subject: whose `perceive` several threads may call.
        dataset: is read once, and its frames are kept.
        names: of the corruptions.
        every: takes each so many-th frame.
        make_checks: new checks, which have seen no frame.

    Raises:
        DataError: nothing of the clean frames is known, or nothing of it found, so that nothing can be lost.
    """
    samples = [dataset[index] for index in range(0, len(dataset), every)]
    clean = [sample.image for sample in samples]
    cells = [(name, severity) for name in names for severity in SEVERITIES]
    with ThreadPoolExecutor(usable_cores()) as pool:

        def perceive(images: Sequence[Image]) -> _Seen:
            seen = _Seen(subject.classes)
            shown = [replace(sample, image=image) for sample, image in zip(samples, images, strict=True)]
            walk(subject, shown, [seen], pool=pool)
            return seen

        first = perceive(clean)
        clean_scenes, mean_iou = first.scenes, first.confusion.mean_iou()
        times = -(-LEAST // len(clean))
        if not mean_iou:
            raise DataError(
                f"{dataset.name}: clean, {subject.model} has a mean IoU of 0; give a labelled set"
            )

        def flags(images: Sequence[Image], scenes: Sequence[Scene]) -> list[Sequence[Finding]]:
            checks, found = make_checks(), []
            drive = [*zip(clean, clean_scenes, strict=True)] * times + [
                *zip(images, scenes, strict=True)
            ] * times
            for index, (image, scene) in enumerate(drive):
                ns = index * 10**9 // RATE
                found.append(checks.check(Frame(image, ns, sequence=index, host_ns=ns), scene))
            return found[len(drive) // 2 :]

        def cell(name: str, severity: int) -> Cell:
            images = corrupted(clean, name, severity)
            seen = perceive(images)
            iou, found = seen.confusion.mean_iou(), flags(images, seen.scenes)
            worst = Counter(max((one.level for one in findings), default=Level.OK) for findings in found)
            return Cell(
                corruption=name,
                severity=severity,
                mean_iou=iou,
                retained=iou / mean_iou,
                warned=worst[Level.WARN] / len(found),
                refused=worst[Level.ERROR] / len(found),
                findings=_shares(found),
            )

        bar = track(cells, heading(dataset.name), console=Console(stderr=True))
        return Robustness(
            set=public_name(dataset.name),
            frames=len(samples),
            mean_iou=mean_iou,
            false_alarms=_shares(flags(clean, clean_scenes)),
            cells=tuple(cell(name, severity) for name, severity in bar),
        )


def corrupted(images: Sequence[Image], name: str, severity: int) -> list[Image]:
    """The frames of a drive on which the picture is bad; chance is the same at each severity."""
    corruption = CORRUPTIONS[name]
    seeds = [0 if corruption.fixed else index for index in range(len(images))]
    return [
        corruption(image, severity, np.random.default_rng(seed))
        for image, seed in zip(images, seeds, strict=True)
    ]


def table(robustness: Robustness, title: str) -> Table:
    """Per cent of mean IoU that are kept, a row a corruption, and what health says of it."""
    shown = Table(
        "corruption",
        *(Column(str(severity), justify="right") for severity in SEVERITIES),
        title=f"{title}: % of mean IoU {robustness.mean_iou:.3f} kept at severity",
        caption="w: health warns of half the frames or more; E: as errors; !: misleads, and is not flagged",
    )
    for name in dict.fromkeys(cell.corruption for cell in robustness.cells):
        shown.add_row(name, *(_shown(cell) for cell in robustness.cells if cell.corruption == name))
    return shown


def gallery(image: Image, names: Sequence[str]) -> Image:
    """A frame in every corruption, a row each, at severities 1 to 5."""
    return np.vstack(
        [
            np.hstack(
                [
                    captioned(corrupted([image], name, severity)[0], f"{name} {severity}")
                    for severity in SEVERITIES
                ]
            )
            for name in names
        ]
    )


def _shown(cell: Cell) -> Text:
    if not cell.flagged:
        mark, style = ("!", "bold red") if cell.misleads else (" ", "default")
    else:
        mark, style = ("E" if cell.refused >= FLAGGED else "w"), "green" if cell.misleads else "yellow"
    return Text(f"{100 * cell.retained:.0f} {mark}", style)


class _Seen:
    """The scenes of all frames, and how their classes compare with the labels."""

    def __init__(self, classes: ClassSet) -> None:
        self.scenes: list[Scene] = []
        self.confusion = Confusion(classes)

    def update(self, one: Judged) -> None:
        self.scenes.append(one.scene)
        self.confusion += one.confusion


def _shares(found: Sequence[Sequence[Finding]]) -> dict[str, float]:
    counts = Counter(name for findings in found for name in {one.name for one in findings})
    return {name: counts[name] / len(found) for name in sorted(counts)}
