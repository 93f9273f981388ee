import math

import numpy as np
import pytest

from perception.evaluation.metrics.lanes import TOLERANCE, LaneScore, score_lanes, visible_lanes
from perception.scene import Lane

HEIGHT, WIDTH = 200, 640
ROAD, PAINT = 3, 11


def line(x: float, near: float = 199, far: float = 100, slope: float = 0.5) -> Lane:
    """Reaches the lowest row at x, and leans to the right by `slope` px a row."""
    y = np.linspace(near, far, 7)
    return Lane(np.stack([x + slope * (199 - y), y], 1).astype(np.float32), "solid", 1.0)


def score(found: list[Lane], true: list[Lane]) -> tuple[int, int, int, int]:
    result = score_lanes(found, true, HEIGHT, WIDTH)
    return result.true, result.recalled, result.found, result.right


def test_the_error_is_the_mean_distance_along_rows() -> None:
    result = score_lanes([line(103), line(398)], [line(100), line(399)], HEIGHT, WIDTH)
    assert (result.recall, result.precision, result.f1) == pytest.approx((1, 1, 1))
    assert result.lateral_error_px == pytest.approx(2, abs=1e-4)


@pytest.mark.parametrize(("off", "matches"), [(0, 1), (9.9, 1), (-9.9, 1), (10.1, 0), (200, 0)])
def test_the_tolerance_is_a_share_of_the_width(off: float, matches: int) -> None:
    assert TOLERANCE * WIDTH == 10
    assert score([line(100 + off)], [line(100)]) == (1, matches, 1, matches)


def test_what_crosses_a_line_does_not_match_it() -> None:
    assert score([line(150, slope=-0.5)], [line(100)]) == (1, 0, 1, 0)


def test_half_of_a_line_must_be_found() -> None:
    assert score([line(100, far=148)], [line(100)]) == (1, 1, 1, 1)
    assert score([line(100, far=152)], [line(100)]) == (1, 0, 1, 1)


def test_half_of_what_is_found_must_be_true() -> None:
    assert score([line(100)], [line(100, far=152)]) == (1, 1, 1, 0)
    assert score([line(100)], [line(100, far=148)]) == (1, 1, 1, 1)


def test_what_is_found_twice_is_wrong_once() -> None:
    assert score([line(100), line(104)], [line(100)]) == (1, 1, 2, 1)


def test_a_double_line_may_be_found_as_one_or_as_two() -> None:
    assert score([line(102)], [line(100), line(104)]) == (2, 2, 1, 1)
    assert score([line(100), line(104)], [line(100), line(104)]) == (2, 2, 2, 2)


def test_a_line_in_pieces_may_be_found_as_one() -> None:
    pieces = [line(100, 199, 165), line(100, 140, 100)]
    assert score([line(100)], pieces) == (2, 2, 1, 1)
    assert score(pieces, [line(100)]) == (1, 0, 2, 1)


def test_nothing_found_and_nothing_there() -> None:
    assert score([], [line(100)]) == (1, 0, 0, 0)
    assert score([line(100)], []) == (0, 0, 1, 0)
    empty = score_lanes([], [], HEIGHT, WIDTH)
    assert empty == LaneScore()
    assert empty.f1 == 1
    assert math.isnan(empty.lateral_error_px)


def test_scores_of_frames_add_up() -> None:
    total = score_lanes([line(103)], [line(100), line(300)], HEIGHT, WIDTH) + score_lanes(
        [line(101), line(500)], [line(100)], HEIGHT, WIDTH
    )
    assert (total.recall, total.precision) == pytest.approx((2 / 3, 2 / 3))
    assert total.f1 == pytest.approx(2 / 3)
    assert total.lateral_error_px == pytest.approx(2, abs=1e-4)


def test_visible_is_what_lies_between_visible_marks() -> None:
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    labels[180:190, 80:130] = PAINT
    labels[140:145, 80:150] = PAINT
    first, hidden = line(100), line(400)
    (shown,) = visible_lanes([first, hidden], labels, PAINT)
    assert shown.points[:, 1].tolist() == list(range(189, 139, -1))
    np.testing.assert_allclose(shown.points[:, 0], 100 + 0.5 * (199 - shown.points[:, 1]), atol=1e-4)
    assert visible_lanes([first], labels, PAINT, least=0.1) == ()


def test_only_what_is_visible_must_be_found_and_all_that_is_there_may_be() -> None:
    true, visible = [line(100), line(400)], [line(100, 150, 120)]
    result = score_lanes([line(100, 199, 120), line(400)], true, HEIGHT, WIDTH, visible)
    assert (result.true, result.recalled, result.found, result.right) == (1, 1, 2, 2)
    assert score_lanes([line(100, 199, 151)], true, HEIGHT, WIDTH, visible).recall == 0
