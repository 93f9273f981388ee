"""Whether the picture itself can be trusted: black, over-exposed, blocked, frozen, blurred, and so on.

Each frame is looked at once, on a small part of its pixels. The limits are such that ordinary drives by day,
at dusk, at night, in rain and in fog stay clear of them.
"""

import math
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import DRIVE, ClassSet
from perception.frame import Frame
from perception.health.types import Finding, Level
from perception.pixels import Pixels, grey, size_of, subsample
from perception.quality.compression import damage
from perception.quality.frozen import FrozenPicture
from perception.quality.labels import LabelChecks
from perception.quality.occlusion import BlockedLens
from perception.scene import Scene
from perception.types import NS_PER_S, Image

# Grey levels are of 0..255. In brackets: what ordinary drives reach.
BLACK_MEAN = 12.0  # a night drive with head lamps (31)
BLACK_LIGHTS = 40.0  # of the brightest hundredth: below, there is not even a lamp (66)
CLIPPED = 250  # from here on a sensor shows no more differences
CLIPPED_SHARES = 0.5, 0.7  # WARN, ERROR: an overcast sky clips up to the horizon (0.46)
# Michelson contrast, which fog, spray and stray light lower: thick fog (0.43), all else (0.60)
VEILED = 0.38, 0.2
SPANS = 40.0, 20.0  # from the 2nd to the 98th percentile: rain at night (49)
# See `_sharpness`: a soft lens and strong compression (0.22); 0.12 is the least there is.
SHARPNESS = 0.20, 0.17
SHARPNESS_DROP = 0.5  # of what this camera usually has: between two of its drives (0.52)
NOISES = 9.0, 20.0  # standard deviation: the sensor at night (6.4); at 20 people drown in it

SMALL_WIDTH = 320  # px, of the subsample that light and colours are measured on
ROWS = 16  # one row of so many is looked at in full, for sharpness and noise
FEWEST_EDGES = 12.0  # grey levels of the strongest edges (32): below, there is nothing that is sharp
# Of sharpness, two minutes; five seconds to begin with.
USUAL_EVERY_NS, USUAL_KEPT, USUAL_FEWEST = NS_PER_S // 2, 240, 10
FIRST_FRAMES = 15  # their majority says what size this camera has


@dataclass(frozen=True, slots=True)
class _Look:
    """What is measured in a frame, in grey levels.

    Attributes:
        mean, darks, lights: of all; the 1st and the 99th percentile.
        span: between the 2nd and the 98th percentile.
        clipped: share of the pixels.
        sharpness: None where the picture is too narrow to measure it.
        noise: standard deviation.
    """

    mean: float
    darks: float
    lights: float
    span: float
    clipped: float
    sharpness: float | None
    noise: float


class ImageChecks:
    """Looks at the frames of one camera, each once, in their order, in one thread.

    Args:
        size: width and height that are expected; None: what most of the first frames have.
        classes: what the labels of scenes mean.
    """

    def __init__(self, size: tuple[int, int] | None = None, classes: ClassSet = DRIVE) -> None:
        self._asked_size, self._classes = size, classes
        self._begin(0)

    def _begin(self, recording: int) -> None:
        """Know nothing of the camera: another recording may be another one's."""
        self._recording = recording
        self._size, self._first_sizes = self._asked_size, Counter[tuple[int, int]]()
        self._usual: deque[tuple[int, float]] = deque(maxlen=USUAL_KEPT)  # stamps, sharpness of good frames
        self._frozen = FrozenPicture()
        self._blocked = BlockedLens(self._classes)
        self._labels = LabelChecks(self._classes)

    def check(self, frame: Frame, scene: Scene | None = None) -> list[Finding]:
        """What is wrong with this picture. `scene` is the latest one of this camera, if there is one."""
        if frame.recording != self._recording:
            self._begin(frame.recording)
        height = max(2, 2 * round(frame.height * SMALL_WIDTH / frame.width / 2))
        small = subsample(frame.pixels, height, SMALL_WIDTH)
        levels = grey(small)
        look = _look(frame.pixels, levels)
        found = [*self._wrong_size(frame), *self._frozen.check(levels, frame.stamp_ns)]
        if light := [*_black(look), *_over_exposed(look), *_low_contrast(look)]:
            return [*found, max(light, key=lambda one: one.level)]  # the others follow from it
        if soft := [*self._blurred(look, frame.stamp_ns), *_veiled(look)]:
            found.append(max(soft, key=lambda one: one.level))  # a wide blur takes contrast, thick fog edges
        found += [*_noisy(look), *damage(frame.pixels)]
        seen = (None, None) if scene is None else (scene.coarse_labels, scene.ego_mask)
        found += self._blocked.check(levels, frame.stamp_ns, *seen)
        if scene is not None:
            found += self._labels.check(small, scene.coarse_labels, frame.stamp_ns)
        return found

    def _wrong_size(self, frame: Frame) -> Iterator[Finding]:
        size = frame.width, frame.height
        if self._size is None:
            self._first_sizes[size] += 1
            if self._first_sizes.total() >= FIRST_FRAMES:
                self._size = self._first_sizes.most_common(1)[0][0]
        elif size != self._size:
            reason = "the picture has the wrong size: {}×{}, expected {}×{}".format(*size, *self._size)
            yield Finding("wrong_size", Level.WARN, reason)

    def _blurred(self, look: _Look, stamp_ns: int) -> Iterator[Finding]:
        if look.sharpness is None:
            return
        usual = median(one for _, one in self._usual) if len(self._usual) >= USUAL_FEWEST else 0.0
        warn, error = SHARPNESS
        if look.sharpness < (limit := max(warn, SHARPNESS_DROP * usual)):
            because = f" (half of this camera's usual {usual:.2f})" if limit > warn else ""
            reason = f"the picture is blurred: sharpness {look.sharpness:.2f}, at least {limit:.2f}{because}"
            yield Finding("blurred", _level(look.sharpness < error), reason)
        elif not self._usual or not 0 <= stamp_ns - self._usual[-1][0] < USUAL_EVERY_NS:
            self._usual.append((stamp_ns, look.sharpness))  # a blurred picture must not become the usual one


def _level(error: bool) -> Level:
    return Level.ERROR if error else Level.WARN


def _black(look: _Look) -> Iterator[Finding]:
    if look.mean < BLACK_MEAN:
        what = "black" if (dark := look.lights < BLACK_LIGHTS) else "nearly black"
        reason = f"the picture is {what}: mean {look.mean:.0f} of 255, at least {BLACK_MEAN:.0f}"
        yield Finding("black", _level(dark), reason)


def _over_exposed(look: _Look) -> Iterator[Finding]:
    warn, error = CLIPPED_SHARES
    if look.clipped > warn:
        white = f"{100 * look.clipped:.0f} % is white, at most {100 * warn:.0f} %"
        yield Finding("over_exposed", _level(look.clipped > error), f"the picture is over-exposed: {white}")


def _low_contrast(look: _Look) -> Iterator[Finding]:
    warn, error = SPANS
    if look.span < warn:
        span = f"it spans {look.span:.0f} of 255 grey levels, at least {warn:.0f}"
        yield Finding("low_contrast", _level(look.span < error), f"the picture has low contrast: {span}")


def _veiled(look: _Look) -> Iterator[Finding]:
    warn, error = VEILED
    contrast = (look.lights - look.darks) / (look.lights + look.darks)
    if contrast < warn:
        levels = f"from grey level {look.darks:.0f} to {look.lights:.0f}"
        reason = f"the picture is veiled: {levels}, a contrast of {contrast:.2f}, at least {warn:.2f}"
        yield Finding("veiled", _level(contrast < error), reason)


def _noisy(look: _Look) -> Iterator[Finding]:
    warn, error = NOISES
    if look.noise > warn:
        reason = f"the picture is noisy: standard deviation {look.noise:.0f} grey levels, at most {warn:.0f}"
        yield Finding("noisy", _level(look.noise > error), reason)


def _look(pixels: Pixels, sampled: Image) -> _Look:
    levels = _shares(sampled)
    rows = grey(pixels, slice(ROWS // 2, None, ROWS)) if size_of(pixels)[0] > ROWS else sampled
    return _Look(
        mean=float(256 - levels.sum()),
        darks=_percentile(levels, 1),
        lights=_percentile(levels, 99),
        span=_percentile(levels, 98) - _percentile(levels, 2),
        clipped=float(1 - levels[CLIPPED - 1]),
        sharpness=_sharpness(rows),
        noise=_noise(rows),
    )


def _sharpness(rows: Image) -> float | None:
    """How much of the strongest edges lies within one pixel of the network's input, as a share of eight.

    At an edge as sharp as the network can see it, all of it: 1 in theory. Of a wide blur, an eighth.
    As both are taken from the strongest edges, it depends neither on contrast nor on moderate noise.
    """
    pixel = max(1, round(rows.shape[1] / 640))
    if rows.shape[1] <= 8 * pixel:
        return None
    near, far = (
        _percentile(_shares(cv2.absdiff(rows[:, step:], rows[:, :-step])), 99) for step in (pixel, 8 * pixel)
    )
    return near / far if far >= FEWEST_EDGES else 0.0


def _noise(rows: Image) -> float:
    """Standard deviation of the noise: how far pixels are from their neighbours' mean, where it is quiet.

    Of |x - (left + right) / 2| a quarter is below 0.319 of its deviation, which is √1.5 times a pixel's.
    """
    if rows.shape[1] < 3:
        return 0.0
    between = cv2.addWeighted(rows[:, 2:], 0.5, rows[:, :-2], 0.5, 0)
    quarter = _percentile(_shares(cv2.absdiff(rows[:, 1:-1], between)), 25)
    return quarter / (0.319 * math.sqrt(1.5))


def _shares(levels: npt.NDArray[np.integer | np.floating]) -> npt.NDArray[np.float64]:
    """float64 (256,): the share of the pixels at each level or below."""
    counts = cv2.calcHist([levels], [0], None, [256], [0, 256]).ravel()  # far quicker than numpy's
    return np.cumsum(counts) / levels.size


def _percentile(shares: npt.NDArray[np.float64], percent: float) -> float:
    """As if the pixels of a level were spread evenly around it; never below 0."""
    level = int(np.searchsorted(shares, percent / 100))
    before = shares[level - 1] if level else 0.0
    within = (percent / 100 - before) / (shares[level] - before)
    return max(0.0, level - 0.5 + float(within))
