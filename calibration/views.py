"""Views of a board: the pictures in which it is found, and the choice of some of them."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from calibration.boards import Board, Corners, Grey
from perception.errors import ConfigError, DataError
from perception.frame import Drop, Frame
from perception.sources.registry import SOURCES, open_source
from perception.types import NS_PER_S, Doubles, Image

MOST_VIEWS = 30  # more say little that is new
PER_SECOND = 5  # frames of a video that are looked at
AROUND = 8  # pixels of a corner, in which its edges are
BLURRED = 0.5  # edges that much wider than those of most views
SAME = 0.02  # of two views, as they are described: nearer, they are one view of a board that is held still
_WILD = re.compile(r"[*?\\[]")
_OPTIONS = re.compile(r"\?\w+=.*")


@dataclass(frozen=True, slots=True)
class View:
    """A picture in which the board is found.

    Attributes:
        sharpness: 1 over the width of its edges, per pixel.
        picture: the whole of it, as JPEG.
    """

    name: str
    corners: Corners
    sharpness: float
    picture: bytes = field(repr=False)

    def image(self) -> Image:
        return np.asarray(cv2.imdecode(np.frombuffer(self.picture, np.uint8), cv2.IMREAD_COLOR), np.uint8)


@dataclass(slots=True)
class Sightings:
    """What was found in pictures of one size.

    Attributes:
        size: width, height.
        without: names of those in which no board was found.
        other_size: names of those left out, with their size.
        unread: what was wrong with those that could not be decoded.
        looked_at: how many pictures.
    """

    size: tuple[int, int]
    views: list[View]
    without: list[str]
    other_size: list[str]
    unread: list[str]
    looked_at: int


def find_views(
    sources: Sequence[str], board: Board, say: Callable[[str], None] = lambda what: None
) -> Sightings:
    """Look for the board in photographs and recordings; pictures of the size that most have count.

    Args:
        sources: URIs of recorded sources, or patterns of file names.
        say: called with what was done so far.

    Raises:
        ConfigError: one of the sources is live, or no file matches a pattern.
        SourceError: one of them cannot be read.
        DataError: they hold no picture.
    """
    found: list[tuple[tuple[int, int], str, View | None]] = []
    unread: list[str] = []
    for source in _expanded(sources):
        stills = SOURCES.parse(source).kind.stills
        opened = open_source(source)
        if opened.live:
            raise ConfigError(
                f"{source}: is live; record it first (perception run {source} board.mp4), then give that"
            )
        due = 0
        try:
            for frame in opened:
                if isinstance(frame, Drop):
                    unread.append(frame.message)
                elif stills or frame.stamp_ns >= due:
                    due = frame.stamp_ns + NS_PER_S // PER_SECOND
                    found.append(_look(frame, _name(frame, source, stills), board, quick=not stills))
                    seen = sum(view is not None for *_, view in found)
                    say(f"the board is found in {seen} of {len(found)} pictures")
        finally:
            opened.close()
    if not found:
        raise DataError(
            f"{', '.join(sources)}: no picture could be read; give photographs or a video of the board"
        )
    size = Counter(size for size, *_ in found).most_common(1)[0][0]
    right = [(name, view) for one, name, view in found if one == size]
    return Sightings(
        size,
        [view for _, view in right if view is not None],
        [name for name, view in right if view is None],
        [f"{name} ({one[0]}×{one[1]})" for one, name, _ in found if one != size],
        unread,
        len(found),
    )


def _expanded(sources: Sequence[str]) -> list[str]:
    names = list[str]()
    for source in sources:
        plain = _OPTIONS.sub("", source)  # of a file that is there: ?start=1 is no pattern
        there = Path(source).exists() or Path(plain).exists()
        if not _WILD.search(source) or there or SOURCES.parse(source).path is None:
            names.append(source)
            continue
        root = Path(source).anchor
        matches = sorted(str(path) for path in Path(root).glob(source[len(root) :]))
        if not matches:
            raise ConfigError(f"{source}: no file matches")
        names += matches
    return names


def _name(frame: Frame, source: str, stills: bool) -> str:
    return (
        frame.stem if stills and frame.stem else f"{Path(source).name} at {frame.stamp_ns / NS_PER_S:.2f} s"
    )


def _look(frame: Frame, name: str, board: Board, quick: bool) -> tuple[tuple[int, int], str, View | None]:
    grey = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY), np.uint8)
    corners, size = board.find(grey, quick), (frame.width, frame.height)
    if corners is None:
        return size, name, None
    coded = cv2.imencode(".jpg", frame.image, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes()
    return size, name, View(name, corners, _sharpness(grey, corners.pixels), coded)


def _sharpness(grey: Grey, pixels: Doubles) -> float:
    """Steepest slope over contrast, around corners.

    Of the direction that is more blurred: a moving board is so in one only.
    """
    found = []
    for x, y in np.rint(pixels).astype(int).tolist():
        part = grey[max(y - AROUND, 0) : y + AROUND + 1, max(x - AROUND, 0) : x + AROUND + 1].astype(
            np.float32
        )
        slopes = [np.percentile(np.abs(np.diff(part, axis=axis)), 95) for axis in (0, 1)]
        found.append(min(slopes) / max(float(np.ptp(part)), 1.0))
    return float(np.median(found))


def choose_views(views: Sequence[View], size: tuple[int, int], most: int = MOST_VIEWS) -> list[View]:
    """Sharp views, each pose of the board once, spread over place, distance and tilt: each as unlike those
    chosen already as any left is (farthest-point sampling, as in `calibration.frames`); in the order given.

    Args:
        most: how many; all that are sharp, where there are fewer.
    """
    usual = np.median([view.sharpness for view in views]) if views else 0.0
    sharp = [view for view in views if view.sharpness >= BLURRED * usual]
    described = np.array([_describe(view.corners, size) for view in sharp]).reshape(-1, 5)
    other = _unlike(described, np.array([view.sharpness for view in sharp]))
    sharp, described = [sharp[i] for i in other], described[other]
    if len(sharp) <= most:
        return sharp
    chosen = [int(np.argmax(np.linalg.norm(described - described.mean(0), axis=1)))]
    apart = np.linalg.norm(described - described[chosen[0]], axis=1)
    while len(chosen) < most:
        chosen.append(int(np.argmax(apart)))
        apart = np.minimum(apart, np.linalg.norm(described - described[chosen[-1]], axis=1))
    return [sharp[i] for i in sorted(chosen)]


def _unlike(described: Doubles, sharpness: Doubles) -> list[int]:
    """Which views to keep, so that each pose of the board counts once: the sharpest of those alike."""
    kept = list[int]()
    for i in np.argsort(-sharpness, kind="stable").tolist():
        if all(np.linalg.norm(described[i] - described[k]) >= SAME for k in kept):
            kept.append(i)
    return sorted(kept)


def _describe(corners: Corners, size: tuple[int, int]) -> Doubles:
    """Where the board is (x, y), how large, and how much larger one side of it is than the other (x, y)."""
    middle, spread = corners.board.mean(0), corners.board.std(0).mean()
    flat = ((corners.board - middle) / spread).astype(np.float32)
    there = corners.pixels / size
    homography = cv2.findHomography(flat, there.astype(np.float32))[0]
    tilt = homography[2, :2] / homography[2, 2]
    return np.array([*there.mean(0), np.log(there.std(0).mean()) / 2, *(4 * tilt)])
