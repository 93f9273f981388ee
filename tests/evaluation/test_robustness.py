"""What is kept and what is flagged, of a network and of checks whose answers are known."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from rich.text import Text

from perception.classes import DRIVE
from perception.datasets.corruptions import CORRUPTIONS, MUD, SEVERITIES
from perception.datasets.dataset import Sample
from perception.errors import ConfigError, DataError
from perception.evaluation.gallery import BAR, WIDTH
from perception.evaluation.robustness import (
    LEAST,
    Cell,
    Robustness,
    corrupted,
    corruptions_of,
    gallery,
    measure,
    table,
)
from perception.evaluation.scoring import Subject
from perception.frame import Frame
from perception.health.types import Finding, Level
from perception.scene import Scene, Status, unknown_scene
from perception.types import Image

SKY, ROAD = DRIVE.id("sky"), DRIVE.id("road")
FRAMES = 5


class Frames:
    """Grey frames, each a little lighter than the one before; sky over road, unless nothing is labelled."""

    name = "folder:data/grey"

    def __init__(self, *, labelled: bool = True) -> None:
        self.labelled = labelled
        self.read: list[int] = []

    def __len__(self) -> int:
        return FRAMES

    def __getitem__(self, index: int) -> Sample:
        self.read.append(index)
        target = np.full((32, 64), DRIVE.bits("road") * self.labelled, np.uint32)
        target[:16] = DRIVE.bits("sky") * self.labelled
        image = np.full((32, 64, 3), 100 + index, np.uint8)
        return Sample(str(index), image, target, np.zeros((32, 64), np.uint16))


def clean(image: Image) -> bool:
    return bool(np.ptp(image) == 0)


def perceive(frame: Frame, _: Sequence[Frame]) -> Scene:
    """All right of what is clean, else everything is sky."""
    scene = unknown_scene(frame, Status.OK)
    scene.labels[:] = SKY
    if clean(frame.image):
        scene.labels[16:] = ROAD
    return scene


SUBJECT = Subject("toy 1", "none", DRIVE, perceive, ())


class NoiseChecks:
    """Warns of the first noisy frame, and calls the other ones errors."""

    drives: list["NoiseChecks"]

    def __init__(self) -> None:
        self.drives.append(self)
        self.seen: list[Frame] = []

    def check(self, frame: Frame, scene: Scene) -> list[Finding]:
        self.seen.append(frame)
        assert (scene.labels == perceive(frame, ()).labels).all()
        if clean(frame.image):
            return []
        first = clean(self.seen[-2].image)
        return [Finding("noise", Level.WARN if first else Level.ERROR, "noisy")]


@pytest.fixture
def drives() -> list[NoiseChecks]:
    NoiseChecks.drives = []
    return NoiseChecks.drives


def test_what_is_kept_and_flagged(drives: list[NoiseChecks]) -> None:
    frames = Frames()
    found = measure(SUBJECT, frames, ["gaussian_noise", "over_exposure"], every=2, make_checks=NoiseChecks)
    assert frames.read == [0, 2, 4]  # once
    assert (found.set, found.frames, found.mean_iou, found.false_alarms) == ("folder: data/grey", 3, 1.0, {})
    assert [(cell.corruption, cell.severity) for cell in found.cells] == [
        (name, severity) for name in ("gaussian_noise", "over_exposure") for severity in SEVERITIES
    ]
    for cell in found.cells[:5]:  # all sky: IoU 1/2 of sky, none of road
        assert cell.mean_iou == cell.retained == 0.25
        shown = 3 * 17  # each frame as often as it takes for `LEAST`
        assert (cell.warned, cell.refused) == pytest.approx((1 / shown, 1 - 1 / shown))
        assert cell.findings == {"noise": 1}
        assert cell.misleads
        assert cell.flagged
    for cell in found.cells[5:]:  # flat frames stay flat
        assert (cell.retained, cell.warned, cell.refused, cell.findings) == (1.0, 0.0, 0.0, {})
        assert not cell.misleads
        assert not cell.flagged


def test_each_cell_is_a_drive_that_begins_clean(drives: list[NoiseChecks]) -> None:
    measure(SUBJECT, Frames(), ["gaussian_noise"], every=1, make_checks=NoiseChecks)
    assert len(drives) == 1 + len(SEVERITIES)  # the first for false alarms
    for number, drive in enumerate(drives):
        stamps = [frame.stamp_ns for frame in drive.seen]
        assert stamps == list(range(0, 10**8 * len(stamps), 10**8))
        assert [frame.sequence for frame in drive.seen] == list(range(len(stamps)))
        assert len(stamps) == 2 * LEAST
        assert [clean(frame.image) for frame in drive.seen] == [True] * LEAST + [number == 0] * LEAST


def test_several_frames_are_perceived_at_once(
    drives: list[NoiseChecks], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perception.evaluation.robustness.usable_cores", lambda: 2)
    both = threading.Barrier(2)

    def waits(frame: Frame, earlier: Sequence[Frame]) -> Scene:
        if frame.image[0, 0, 0] < 102:  # two of the clean frames wait for one another
            both.wait(5)
        return perceive(frame, earlier)

    subject = Subject("toy 1", "none", DRIVE, waits, ())
    measure(subject, Frames(), [], every=1, make_checks=NoiseChecks)


def test_without_labels_nothing_can_be_lost(drives: list[NoiseChecks]) -> None:
    with pytest.raises(DataError, match="mean IoU of 0"):
        measure(SUBJECT, Frames(labelled=False), ["fog"], every=1, make_checks=NoiseChecks)


def test_the_verdict_counts_what_misleads_and_what_is_flagged() -> None:
    def cell(severity: int, retained: float, warned: float, refused: float) -> Cell:
        return Cell(
            corruption="fog",
            severity=severity,
            mean_iou=retained / 2,
            retained=retained,
            warned=warned,
            refused=refused,
            findings={},
        )

    found = Robustness(
        set="a",
        frames=8,
        mean_iou=0.5,
        false_alarms={"blurred": 0.125},
        cells=(
            cell(1, 0.9, 0.25, 0.0),
            cell(2, 0.7, 0.5, 0.0),
            cell(3, 0.69, 0.25, 0.125),
            cell(4, 0.5, 0.25, 0.25),
            cell(5, 0.1, 0, 1),
        ),
    )
    assert found.verdict() == (
        "Less than 70% of mean IoU is kept in 3 of 5 cells; health flags 2 of them, and 1 of the others. "
        "Findings in the 8 clean frames: blurred in 12%."
    )
    name, *cells = [next(iter(column.cells)) for column in table(found, "toy").columns]
    assert name == "fog"
    assert [(cell.plain, cell.style) for cell in cells if isinstance(cell, Text)] == [
        ("90  ", "default"),
        ("70 w", "yellow"),
        ("69 !", "bold red"),
        ("50 w", "green"),
        ("10 E", "green"),
    ]


def test_dirt_stays_and_noise_does_not() -> None:
    images = [np.full((64, 96, 3), 200, np.uint8)] * 2
    first, second = corrupted(images, "dirt", 3)
    assert (first == second).all()
    first, second = corrupted(images, "gaussian_noise", 3)
    assert (first != second).any()


def test_gallery_has_a_row_for_each() -> None:
    image = np.full((60, 120, 3), 250, np.uint8)
    picture = gallery(image, ["dirt", "low_contrast"])
    rows = 2 * (BAR + WIDTH // 2)
    assert picture.shape == (rows, 5 * WIDTH, 3)
    muddy = [
        (np.abs(cell.astype(int) - MUD).max(2) < 40).mean()
        for cell in np.split(picture[BAR : rows // 2], 5, axis=1)
    ]
    assert muddy == sorted(muddy)
    assert muddy[-1] > 0.3
    assert (picture[-1, -1] == 250).all()  # a flat frame has no contrast to lose


def test_names_are_read() -> None:
    assert corruptions_of("all") == list(CORRUPTIONS)
    assert corruptions_of("fog,night,fog") == ["fog", "night"]
    with pytest.raises(ConfigError, match="'mist': not known; give all, or some of gaussian_noise"):
        corruptions_of("fog,mist")
