"""Boards by name, and their corners in pictures."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.boards import parse_board
from perception.errors import ConfigError
from tests.calibration.simulated_board import (
    CAMERAS,
    SIZE,
    SQUARE,
    TEXELS,
    Studio,
    charuco_texture,
    chess_texture,
)

CHARUCO = "charuco:8x6:40mm:30mm"


@given(
    st.integers(3, 20),
    st.integers(3, 20),
    st.integers(1, 500),
    st.sampled_from([("mm", 1), ("cm", 10), ("m", 1000)]),
)
def test_a_board_has_the_corners_that_its_name_says(
    columns: int, rows: int, mm: int, unit: tuple[str, int]
) -> None:
    places = parse_board(f"chess:{columns}x{rows}:{mm / unit[1]:.4f}{unit[0]}").places
    assert len(places) == len(np.unique(places, axis=0)) == columns * rows
    np.testing.assert_allclose(np.ptp(places, axis=0), [(columns - 1) * mm / 1e3, (rows - 1) * mm / 1e3])


@given(st.integers(3, 12), st.integers(3, 8), st.integers(10, 100))
def test_a_charuco_board_has_corners_between_its_squares(columns: int, rows: int, mm: int) -> None:
    places = parse_board(f"charuco:{columns}x{rows}:{mm}mm:{mm - 1}mm:DICT_6X6_250").places
    assert len(places) == (columns - 1) * (rows - 1)
    np.testing.assert_allclose(
        np.ptp(places, axis=0), [(columns - 2) * mm / 1e3, (rows - 2) * mm / 1e3], rtol=1e-5
    )


@given(
    st.one_of(
        st.text(max_size=30), st.from_regex(r"\A(chess|charuco):[0-9x]{0,6}:[0-9mc.]{0,6}(:\w{0,6})?\Z")
    )
)
def test_what_is_no_board_is_refused_in_words(text: str) -> None:
    try:
        board = parse_board(text)
    except ConfigError as error:
        assert "chess:9x6:25mm" in str(error)
    else:
        assert len(board.places) >= 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chess:9x6", "a board is"),
        ("chess:9:25mm", "'9' is no COLUMNSxROWS"),
        ("chess:2x6:25mm", "from 3 to 100"),
        ("chess:9x6:25", "'25' is no length in mm, cm, m"),
        ("chess:9x6:25m", "not from 1mm to 10m"),
        ("charuco:8x6:30mm:40mm", "markers of 40 mm do not fit into squares of 30 mm"),
        ("charuco:8x6:40mm:30mm:9X9", "dictionary '9X9' is not known"),
        ("charuco:20x20:40mm:30mm", "4X4_50 has 50 markers, the board needs 200"),
    ],
)
def test_each_fault_is_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_board(text)


def test_a_flat_chessboard_is_measured_to_a_hundredth_of_a_pixel() -> None:
    found = parse_board("chess:9x6:40mm").find(chess_texture(9, 6))
    assert found is not None
    expected = found.board / SQUARE * TEXELS + 1.5 * TEXELS - 0.5
    turned = (found.board.max(0) - found.board) / SQUARE * TEXELS + 1.5 * TEXELS - 0.5
    assert min(np.abs(found.pixels - one).max() for one in (expected, turned)) < 0.01


@pytest.mark.parametrize("legacy", [False, True])
def test_a_part_of_a_charuco_board_is_found_for_what_it_is(legacy: bool) -> None:
    texture = np.pad(charuco_texture(8, 6, legacy=legacy), ((0, 40), (0, 40)), constant_values=255)
    texture[:, : 3 * TEXELS] = 255
    found = parse_board(CHARUCO).find(texture)
    assert found is not None
    assert 15 <= len(found.board) <= 20
    np.testing.assert_allclose(found.pixels, found.board / SQUARE * TEXELS - 0.5, atol=0.02)


def test_another_dictionary_another_board_and_too_small_a_part_are_not_found() -> None:
    board = parse_board(CHARUCO)
    assert board.find(charuco_texture(8, 6, cv2.aruco.DICT_6X6_50)) is None
    assert board.find(np.full((200, 300), 128, np.uint8)) is None
    line = charuco_texture(8, 6)[: 2 * TEXELS]  # its corners are in one line
    assert board.find(line) is None
    assert parse_board("chess:9x6:40mm").find(chess_texture(7, 6)) is None


@pytest.mark.parametrize("quick", [False, True])
def test_corners_of_a_picture_are_within_a_tenth_of_a_pixel(quick: bool) -> None:
    info, board = CAMERAS["plumb_bob"], parse_board("chess:7x5:40mm")
    texture = chess_texture(7, 5)
    for seed in range(4):
        exact = Studio(info, board.places, np.random.default_rng(seed), whole=True).corners(0.0)
        picture = Studio(info, board.places, np.random.default_rng(seed), whole=True).picture(texture)
        found = board.find(np.ascontiguousarray(picture[..., 0]), quick)
        assert found is not None
        pixels = found.pixels if np.abs(found.pixels - exact.pixels).max() < 20 else found.pixels[::-1]
        assert np.abs(pixels - exact.pixels).max() < 0.1


def test_a_large_picture_is_searched_at_its_own_size_for_a_small_board() -> None:
    """Quick search, at 640 wide, gives pixels of the whole picture."""
    large = np.full((900, 1600), 150, np.uint8)
    board = cv2.resize(chess_texture(9, 6), None, fx=1.5, fy=1.5, interpolation=cv2.INTER_AREA)
    large[200 : 200 + board.shape[0], 300 : 300 + board.shape[1]] = board
    found = parse_board("chess:9x6:40mm").find(large, quick=True)
    assert found is not None
    corner = np.array([300, 200]) + 1.5 * 1.5 * TEXELS - 0.5
    assert np.abs(found.pixels.min(0) - corner).max() < 0.05
    assert SIZE[0] < 640
