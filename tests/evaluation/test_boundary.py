"""Boundary F1 against outlines counted by hand."""

import numpy as np
import pytest

from perception.classes import DRIVE
from perception.evaluation.metrics.boundary import BoundaryScore, outline

ROAD, CAR = DRIVE.id("road"), DRIVE.id("vehicle")


def halves(height: int, width: int, split: int) -> np.ndarray:
    """Road to the left of column `split`, vehicle from it on."""
    labels = np.full((height, width), ROAD, np.uint8)
    labels[:, split:] = CAR
    return labels


def bits(labels: np.ndarray) -> np.ndarray:
    return (1 << labels.astype(np.uint16)).astype(np.uint16)


def test_an_outline_is_where_a_known_neighbour_is_something_else() -> None:
    mask = np.zeros((4, 5), bool)
    mask[1:, 1:4] = True
    known = np.ones_like(mask)
    known[:, 4] = False  # what nobody knows is no border
    expected = np.array([[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 0, 0, 0], [0, 1, 0, 0, 0]], bool)
    assert np.array_equal(outline(mask, known), expected)


def test_by_hand() -> None:
    """90×120: the tolerance is 0.0075 · 150 = 1.125 px. A border off by one column is met, by two not."""
    truth = halves(90, 120, 60)
    for split, f1 in ((60, 1.0), (61, 1.0), (62, 0.0)):
        score = BoundaryScore()
        score.add(bits(truth), halves(90, 120, split))
        assert score.f1() == {1 << ROAD: pytest.approx(f1), 1 << CAR: pytest.approx(f1)}


def test_precision_and_recall_count_each_once() -> None:
    """Half of the true border is met; of the 90 found pixels of a class, half lie at it."""
    truth, found = halves(90, 120, 60), halves(90, 120, 60)
    found[45:] = halves(45, 120, 80)
    score = BoundaryScore()
    score.add(bits(truth), found)
    # Where the found border jumps from column 60 to 80 it runs along a row too: 20 more pixels of each class,
    # of which those within 1.125 px of the true border are met.
    met, true = 45 + 1, 90
    road_found = 90 + 20 - 1  # row 45: columns 60..79; its last one was counted by the column
    road = score.counts[1 << ROAD]
    assert road[1] == true
    assert road[0] == met
    assert road[3] == road_found
    assert score.mean_f1() == pytest.approx(np.mean(list(score.f1().values())))


def test_what_is_not_labelled_and_negations_do_not_count() -> None:
    truth = bits(halves(90, 120, 60))
    truth[truth == 1 << ROAD] = ((1 << len(DRIVE)) - 1) & ~(1 << CAR)  # "not a vehicle"
    score = BoundaryScore()
    score.add(truth, halves(90, 120, 60))
    assert list(score.f1()) == [1 << CAR]
    nothing = BoundaryScore()
    nothing.add(np.zeros((90, 120), np.uint16), halves(90, 120, 60))
    assert not nothing.f1()
