import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.decode.key_points import LEAST_PEAK, MOST, find_key_points

ROWS, COLUMNS = 24, 32
Heat = npt.NDArray[np.float32]


def gaussian(x: float, y: float, spread: float = 1.5, top: float = 1.0) -> Heat:
    """A heat map with its peak at x, y in cells, the centre of the first cell at 0, 0."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    heat = top * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2))
    return np.asarray(heat, np.float32)


@settings(deadline=None, max_examples=60)
@given(
    x=st.floats(2, COLUMNS - 3),
    y=st.floats(2, ROWS - 3),
    spread=st.floats(0.7, 3),
    scale=st.sampled_from([1, 4, 5.5]),
)
def test_a_gaussians_peak_is_found_between_the_cells(x: float, y: float, spread: float, scale: float) -> None:
    height, width = round(ROWS * scale), round(COLUMNS * scale)
    points = find_key_points(gaussian(x, y, spread)[None], ("head",), height, width)
    assert len(points) == 1
    # A cell's centre lies in the middle of scale × scale pixels; the first has its centre at 0, 0.
    assert points[0].x == pytest.approx((x + 0.5) * scale - 0.5, abs=0.02 * scale)
    assert points[0].y == pytest.approx((y + 0.5) * scale - 0.5, abs=0.02 * scale)


def test_several_people_have_a_point_of_the_same_name_each() -> None:
    heads = np.maximum(gaussian(5, 6, top=0.5), gaussian(20, 12, top=0.9))
    hands = gaussian(10, 10, top=0.7)
    points = find_key_points(np.stack([heads, hands]), ("head", "hand"), ROWS, COLUMNS)
    assert [(p.name, round(p.x), round(p.y)) for p in points] == [
        ("head", 20, 12),
        ("head", 5, 6),
        ("hand", 10, 10),
    ]
    assert [point.score for point in points] == pytest.approx([0.9, 0.5, 0.7])


def test_what_is_improbable_is_left_out() -> None:
    heat = np.maximum(gaussian(5, 6, top=LEAST_PEAK - 0.01), gaussian(20, 12, top=LEAST_PEAK + 0.01))
    assert [round(p.x) for p in find_key_points(heat[None], ("head",), ROWS, COLUMNS)] == [20]


@pytest.mark.parametrize("cells", [[(3, 3)], [(3, 3), (3, 4)], [(3, 3), (4, 3)], [(3, 3), (4, 4)]])
def test_equal_neighbours_are_one_point_between_them(cells: list[tuple[int, int]]) -> None:
    heat = np.full((1, ROWS, COLUMNS), 0.01, np.float32)
    for cell in cells:
        heat[0][cell] = 1.0
    points = find_key_points(heat, ("head",), ROWS, COLUMNS)
    assert len(points) == 1
    if len(cells) == 1 or cells[0][0] == cells[1][0] or cells[0][1] == cells[1][1]:
        middle = np.mean(cells, axis=0)
        assert (points[0].y, points[0].x) == pytest.approx(tuple(middle), abs=1e-3)


@pytest.mark.parametrize("cell", [(0, 0), (0, 9), (ROWS - 1, COLUMNS - 1)])
def test_a_peak_at_the_edge_stays_in_its_cell(cell: tuple[int, int]) -> None:
    heat = np.zeros((1, ROWS, COLUMNS), np.float32)
    heat[0][cell] = 0.8
    (point,) = find_key_points(heat, ("head",), 4 * ROWS, 4 * COLUMNS)
    assert (point.y, point.x) == pytest.approx((4 * cell[0] + 1.5, 4 * cell[1] + 1.5))


def test_noise_gives_no_more_than_can_be_used() -> None:
    heat = np.random.default_rng(0).random((2, 96, 160)).astype(np.float32)
    points = find_key_points(heat, ("head", "hand"), 96, 160)
    assert len(points) == 2 * MOST
    assert all(0 <= p.x <= 159 and 0 <= p.y <= 95 for p in points)
    assert min(p.score for p in points) > 0.98


def test_an_empty_or_flat_map_has_no_peak() -> None:
    for value in (0.0, 1.0):
        heat = np.full((1, ROWS, COLUMNS), value, np.float32)
        points = find_key_points(heat, ("head",), ROWS, COLUMNS)
        assert len(points) == int(value)  # all alike: the first cell stands for them
