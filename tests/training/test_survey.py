"""What a run will learn from, counted and drawn; and every broken file named."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from perception.app.cli import shown
from perception.classes import ClassSet
from perception.datasets.dataset import Sample
from perception.datasets.opening import open_dataset
from perception.errors import DataError
from perception.training.survey import LINE, MOST, WIDTH, Survey, checked, each_sample, picture

FARM = ClassSet("farm", ("track", "crop", "cow"), ((128, 64, 128), (0, 200, 0), (240, 0, 0)))


def sample(target: list[list[int]]) -> Sample:
    bits = np.array(target, np.uint32)
    return Sample("a", np.full((*bits.shape, 3), 100, np.uint8), bits, np.zeros(bits.shape, np.uint16))


def test_counts_pixels_and_images_of_each_class() -> None:
    survey = Survey("folder:x/farm", [sample([[1, 1, 2, 0]]), sample([[1, 3, 3, 1]])], FARM)
    assert survey.pixels == {1: 4, 2: 1, 3: 2, 0: 1}
    assert survey.images == {1: 2, 2: 1, 3: 1, 0: 1}
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(survey.table())
    rows = {line.split("│")[1].strip(): line for line in console.export_text().splitlines() if "│" in line}
    assert list(rows) == ["track", "crop", "cow", "track/crop", "(ignored)"]
    assert "50.00%" in rows["track"]
    assert "0.00%" in rows["cow"]
    assert "25.00%" in rows["track/crop"]


def test_counts_few_of_many() -> None:
    assert len(Survey("x", [sample([[1]])] * 500, FARM).samples) == MOST


def test_draws_labels_over_the_frame_in_their_colours() -> None:
    target = [[1] * 64 + [0] * 64] * 96
    sheet = picture([Survey("folder:x/farm", [sample(target)], FARM)], FARM)
    left, right = sheet[LINE + 100, WIDTH // 4], sheet[LINE + 100, 3 * WIDTH // 4]
    assert right.tolist() == [100, 100, 100]
    assert left.tolist() == pytest.approx([0.45 * 100 + 0.55 * c for c in (128, 64, 128)], abs=1)
    legend = sheet[LINE + WIDTH * 96 // 128 :]
    for colour in FARM.colours:
        assert (legend == colour[::-1]).all(2).any()


def folder(path: Path, frames: int) -> str:
    for kind in ("images", "labels"):
        (path / kind).mkdir(parents=True)
    for k in range(frames):
        cv2.imwrite(str(path / "images" / f"{k:02d}.png"), np.zeros((4, 6, 3), np.uint8))
        cv2.imwrite(str(path / "labels" / f"{k:02d}.png"), np.full((4, 6), 3, np.uint8))
    return f"folder:{path}"


def test_names_every_broken_file_at_once(tmp_path: Path) -> None:
    dataset = open_dataset(folder(tmp_path, 14))
    labels = tmp_path / "labels"
    (labels / "01.png").unlink()
    (labels / "02.png").write_bytes(b"no picture")
    cv2.imwrite(str(labels / "03.png"), np.full((4, 5), 3, np.uint8))
    cv2.imwrite(str(labels / "04.png"), np.full((4, 6), 99, np.uint8))
    cv2.imwrite(str(labels / "05.png"), np.full((4, 6), 3, np.uint16))
    cv2.imwrite(str(labels / "06.png"), np.full((4, 6, 3), 3, np.uint8))
    with pytest.raises(DataError) as caught:
        checked(dataset)
    message = shown(caught.value)
    assert len(message.splitlines()) == 7
    assert "6 of 14 samples cannot be used" in message
    for part in (
        "01.png: missing",
        "02.png: not a readable image",
        "03.png: label is 5x4, its image 6x4",
        "labels 99 (24 pixels)",
        "05.png: its pixels are uint16",
        "06.png: a colour image",
    ):
        assert part in message
    for k in range(7, 14):
        (labels / f"{k:02d}.png").unlink()
    with pytest.raises(DataError, match=r"13 of 14 samples(.|\n)*… and 3 more"):
        list(each_sample(dataset))


def test_good_data_pass(tmp_path: Path) -> None:
    assert len(checked(open_dataset(folder(tmp_path, 3)))) == 3
