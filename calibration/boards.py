"""Boards that a camera is calibrated with, and where their corners are in a picture."""

import re
from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from perception.errors import ConfigError
from perception.types import Doubles

Grey = npt.NDArray[np.uint8]
GRAMMAR = (
    "chess:COLUMNSxROWS:SQUARE, such as chess:9x6:25mm, which counts inner corners; or "
    "charuco:COLUMNSxROWS:SQUARE:MARKER[:DICTIONARY], such as charuco:8x6:40mm:30mm:5X5_100, which counts "
    "squares"
)
DICTIONARIES = {
    name.removeprefix("DICT_").upper(): getattr(cv2.aruco, name)
    for name in sorted(dir(cv2.aruco))
    if name.startswith("DICT_")
}
DEFAULT_DICTIONARY = "4X4_50"
MOST_SQUARES = 100  # in a row
LEAST_CORNERS = 8  # of a part of a board: its pose takes six of the numbers
# Of a square, around a corner: from 0.4 on, windows slip to the next one in photographs of small boards.
FREE = 0.3
_UNITS = {"mm": 1e-3, "cm": 1e-2, "m": 1.0}
_LENGTH = re.compile(r"(\d+(?:\.\d+)?|\.\d+)(mm|cm|m)", re.ASCII)
_LAYOUT = re.compile(r"(\d{1,3})[x×](\d{1,3})", re.ASCII)
_CLASSIC = cv2.CALIB_CB_ADAPTIVE_THRESH | cv2.CALIB_CB_NORMALIZE_IMAGE
_QUICK_WIDTH = 640
_STOP = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_COUNT, 50, 1e-4)


@dataclass(frozen=True, slots=True)
class Corners:
    """Corners of a board in one picture.

    Attributes:
        pixels: (n, 2) x, y; the centre of the first pixel is at 0, 0.
        board: (n, 2) where they are on the board, in metres.
    """

    pixels: Doubles
    board: Doubles

    @property
    def points(self) -> Doubles:
        """(n, 3) in metres: the board is flat."""
        return np.column_stack([self.board, np.zeros(len(self.board))])


class Board(Protocol):
    """Attributes:
    places: (n, 2) of all its corners, in metres.
    """

    places: Doubles

    def find(self, grey: Grey, quick: bool = False) -> Corners | None:
        """Its corners in a picture, uint8 (height, width); None where it is not seen.

        Args:
            quick: one attempt only, for videos, which show it again.
        """
        ...


def parse_board(text: str) -> Board:
    """The board that `GRAMMAR` describes.

    Raises:
        ConfigError: it is none.
    """
    kind, *parts = text.split(":")
    try:
        if kind == "chess" and len(parts) == 2:
            return ChessBoard(*_layout(parts[0]), _length(parts[1]))
        if kind == "charuco" and len(parts) in {3, 4}:
            name = parts[3] if len(parts) == 4 else DEFAULT_DICTIONARY
            return CharucoBoard(*_layout(parts[0]), _length(parts[1]), _length(parts[2]), name)
    except ValueError as error:
        raise ConfigError(f"--board {text}: {error}; a board is {GRAMMAR}") from None
    raise ConfigError(f"--board {text}: a board is {GRAMMAR}")


def _layout(text: str) -> tuple[int, int]:
    found = _LAYOUT.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no COLUMNSxROWS")
    columns, rows = int(found[1]), int(found[2])
    if not 3 <= min(columns, rows) <= max(columns, rows) <= MOST_SQUARES:
        raise ValueError(f"{text}: columns and rows are from 3 to {MOST_SQUARES}")
    return columns, rows


def _length(text: str) -> float:
    """In metres."""
    found = _LENGTH.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is no length in {', '.join(_UNITS)}")
    metres = float(found[1]) * _UNITS[found[2]]
    if not 1e-3 <= metres <= 10:
        raise ValueError(f"{text} is not from 1mm to 10m")
    return metres


class ChessBoard:
    """Black and white squares, all of which must be seen.

    It may be found turned by half a turn, which makes no difference to a lens.

    Args:
        columns, rows: of inner corners.
        square: its side, in metres.
    """

    def __init__(self, columns: int, rows: int, square: float) -> None:
        self._layout = (columns, rows)
        self.places: Doubles = np.mgrid[:columns, :rows].T.reshape(-1, 2) * square

    def find(self, grey: Grey, quick: bool = False) -> Corners | None:
        found = self._search(grey, quick)
        if found is None:
            return None
        return Corners(_refined(grey, found, FREE), self.places)

    def _search(self, grey: Grey, quick: bool) -> Doubles | None:
        """(n, 2), to about a pixel.

        In photographs OpenCV's classic detector finds more boards than its newer one, some of them only at
        another size or contrast; the newer one finds those at the edge of the picture.
        """
        width = grey.shape[1]
        scales = (min(1.0, _QUICK_WIDTH / width),) if quick else (1.0, 0.5, 2.0 if width < 1000 else 0.7)
        for scale in scales:
            there, found = cv2.findChessboardCorners(_resized(grey, scale), self._layout, flags=_CLASSIC)
            if there:
                return (np.asarray(found, np.float64).reshape(-1, 2) + 0.5) / scale - 0.5
        if quick:
            return None
        even = cv2.createCLAHE(3.0, (8, 8)).apply(grey)
        there, found = cv2.findChessboardCorners(even, self._layout, flags=_CLASSIC)
        if not there:
            there, found = cv2.findChessboardCornersSB(grey, self._layout, flags=cv2.CALIB_CB_NORMALIZE_IMAGE)
        return np.asarray(found, np.float64).reshape(-1, 2) if there else None


def _refined(grey: Grey, pixels: Doubles, share: float) -> Doubles:
    """Corners to about a thirtieth of a pixel, each by what is around it: that share of the way to the next.

    On simulated pictures, one window for all was 1.3 times further off.
    """
    apart = np.linalg.norm(pixels[:, None] - pixels, axis=-1)
    np.fill_diagonal(apart, np.inf)
    halves = np.rint(share * apart.min(1)).clip(2, 11).astype(int).tolist()
    for place, half in enumerate(halves):
        corner = pixels[place : place + 1].astype(np.float32)
        pixels[place] = cv2.cornerSubPix(grey, corner, (half, half), (-1, -1), _STOP)[0]
    return pixels


def _resized(grey: Grey, scale: float) -> Grey:
    if scale == 1:
        return grey
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(grey, None, fx=scale, fy=scale, interpolation=how), np.uint8)


class CharucoBoard:
    """Squares with markers in the white ones, of which any part may be seen.

    Args:
        columns, rows: of squares.
        square, marker: their sides, in metres.
        dictionary: of the markers, by its name in `DICTIONARIES`.

    Raises:
        ValueError: there is no such board.
    """

    def __init__(self, columns: int, rows: int, square: float, marker: float, dictionary: str) -> None:
        name = dictionary.upper().removeprefix("DICT_")
        if name not in DICTIONARIES:
            raise ValueError(f"dictionary {dictionary!r} is not known; use one of {', '.join(DICTIONARIES)}")
        if not marker < square:
            raise ValueError(f"markers of {marker * 1e3:g} mm do not fit into squares of {square * 1e3:g} mm")
        markers = cv2.aruco.getPredefinedDictionary(DICTIONARIES[name])
        have, need = len(markers.bytesList), columns * rows // 2
        if have < need:
            raise ValueError(
                f"dictionary {name} has {have} markers, the board needs {need}; name a larger one"
            )
        self._square, self._free = square, 0.8 * (square - marker) / 2 / square  # up to the markers
        # Boards made before OpenCV 4.6 with an even number of rows begin with a white square.
        self._detectors = []
        for legacy in (False, True) if rows % 2 == 0 else (False,):
            board = cv2.aruco.CharucoBoard((columns, rows), square, marker, markers)
            board.setLegacyPattern(legacy)
            self._detectors.append(cv2.aruco.CharucoDetector(board))
        self.places: Doubles = np.asarray(board.getChessboardCorners(), np.float64)[:, :2]

    def find(self, grey: Grey, quick: bool = False) -> Corners | None:
        for detector in self._detectors:
            pixels, ids, *_ = detector.detectBoard(grey)
            if ids is None or len(ids) < LEAST_CORNERS:
                continue
            places = self.places[np.ravel(ids)]
            # Corners in one line give no pose.
            if np.linalg.svd(places - places.mean(0), compute_uv=False)[1] < self._square:
                continue
            return Corners(_refined(grey, np.array(pixels, np.float64).reshape(-1, 2), self._free), places)
        return None
