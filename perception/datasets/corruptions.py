"""Fifteen ways in which a front camera's picture goes bad, each in five severities.

After Hendrycks & Dietterich, "Benchmarking neural network robustness to common corruptions and
perturbations", 2019, and Michaelis et al., "Benchmarking robustness in object detection: autonomous driving
when winter is coming", 2019. Lengths are shares of the image's sides: at half the size it looks the same.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from perception.datasets.degraded import GAMMA, low_light
from perception.errors import ConfigError
from perception.simulation.textures import noise, to_image
from perception.types import Image

Grey = npt.NDArray[np.float32]

SEVERITIES = (1, 2, 3, 4, 5)

BLOCK = 16  # px, of a macroblock
ELECTRONS, READ_NOISE = 3000.0, 5.0  # a night camera's: at the brightest level, and of reading
AIRLIGHT = 215.0  # grey of thick fog
HORIZON = 0.45  # of the height, where a straight road vanishes
MUD = 32, 48, 62  # BGR


@dataclass(frozen=True)
class Corruption:
    """One way, callable as (image uint8 (h, w, 3) BGR, severity 1 to 5, generator) → uint8 (h, w, 3).

    Attributes:
        apply: what is done, by how much.
        levels: how much at severities 1 to 5, in the unit of `apply`.
        fixed: it stays where it is from frame to frame, as dirt does: give each frame of a drive a generator
            of the same seed.
    """

    apply: Callable[[Image, float, np.random.Generator], Image]
    levels: tuple[float, float, float, float, float]
    fixed: bool = False

    def __call__(self, image: Image, severity: int, rng: np.random.Generator) -> Image:
        """Raises ConfigError for another severity."""
        if severity not in SEVERITIES:
            raise ConfigError(f"severity {severity}: give 1 to {len(SEVERITIES)}; clean is no corruption")
        return self.apply(image, self.levels[severity - 1], rng)


def gaussian_noise(image: Image, deviation: float, rng: np.random.Generator) -> Image:
    """An amplifier's noise, of this standard deviation in grey levels."""
    return _rounded(image + rng.standard_normal(image.shape, np.float32) * deviation)


def shot_noise(image: Image, photons: float, rng: np.random.Generator) -> Image:
    """Too few photons: white is this many, and their number varies by Poisson's law."""
    return _rounded(rng.poisson(image * (photons / 255)) * (255 / photons))


def motion_blur(image: Image, length: float, rng: np.random.Generator) -> Image:
    """The camera shakes, in any direction, by this share of the width while the shutter is open."""
    side = round(length * image.shape[1]) // 2 * 2 + 3
    return _filtered(image, _line(side, rng.uniform(0, np.pi)))


def defocus_blur(image: Image, radius: float, _: np.random.Generator) -> Image:
    """Out of focus: every point becomes a disc, of this share of the width."""
    pixels = radius * image.shape[1]
    reach = np.arange(-int(pixels) - 1, int(pixels) + 2)
    disc = np.clip(pixels + 0.5 - np.hypot(*np.meshgrid(reach, reach)), 0, 1)
    return _filtered(image, disc / disc.sum())


def rain(image: Image, amount: float, rng: np.random.Generator) -> Image:
    """Streaks before the lens, drops on it, which blur what is behind them, and a grey veil."""
    height, width = image.shape[:2]
    drops = np.zeros((height, width), np.float32)
    for x, y, size in rng.uniform((0, 0, 0.3), (width, height, 1), (round(60 * amount), 3)):
        cv2.circle(drops, (int(x), int(y)), max(round(0.04 * size * width), 1), 1.0, cv2.FILLED)
    drops = _softened(drops, 0.004 * width)[..., None]
    seen = image + drops * (0.9 * _softened(image, 0.03 * width) + 25.0 - image)
    streaks = _streaks(rng, image, round(1200 * amount), 0.06, 1.0)[..., None]
    return to_image(_veiled(seen + 0.5 * streaks * (220 - seen), 0.4 * amount, 150.0))


def fog(image: Image, density: float, rng: np.random.Generator) -> Image:
    """Light that is lost over the way, and grey in its place (Koschmieder's law).

    Distances are those of a straight street to the horizon, at which `density` is the optical depth.
    """
    height, width = image.shape[:2]
    across, down = np.abs(np.arange(width) / width - 0.5), np.abs(np.arange(height) / height - HORIZON)
    distance = np.minimum(1, 0.1 / np.maximum(np.maximum(across, down[:, None]), 0.1))
    swaths = 1 + 0.25 * noise(rng, height, width, width / 3)
    kept = np.exp(-density * distance * swaths)[..., None]
    return to_image(AIRLIGHT + kept * (image - AIRLIGHT))


def snow(image: Image, amount: float, rng: np.random.Generator) -> Image:
    """Flakes, the nearer the larger, and a white veil of those that are far."""
    far = _streaks(rng, image, round(2500 * amount), 0.005, 2.0)
    near = _softened(_streaks(rng, image, round(250 * amount), 0.02, 8.0), 0.003 * image.shape[1])
    flakes = np.maximum(far, near)[..., None]
    return to_image(_veiled(image + 0.9 * flakes * (245.0 - image), 0.6 * amount, 230.0))


def night(image: Image, exposure: float, rng: np.random.Generator) -> Image:
    """Night: this share of the day's light, with the noise of so little of it."""
    return low_light(image, rng, exposure, ELECTRONS, READ_NOISE)[0]


def glare(image: Image, strength: float, rng: np.random.Generator) -> Image:
    """The sun above the road, so bright that the sensor clips about it, and stray light over the picture.

    `strength` times white is added where the sun stands, and at least a sixth of that everywhere.
    """
    height, width = image.shape[:2]
    x, y = rng.uniform((0.3 * width, 0.1 * height), (0.7 * width, HORIZON * height))
    away = np.hypot(np.arange(width) - x, np.arange(height)[:, None] - y) / width
    light = 255 * strength * (0.2 + 0.04 / (0.04 + away**2)) / 1.2
    return to_image(image + light[..., None])


def over_exposure(image: Image, gain: float, _: np.random.Generator) -> Image:
    """This many times the light, in linear light, of which the sensor clips what is too much."""
    levels = np.minimum(255 * gain ** (1 / GAMMA) * np.arange(256) / 255, 255)
    return cv2.LUT(image, np.round(levels).astype(np.uint8)).astype(np.uint8)


def low_contrast(image: Image, share: float, _: np.random.Generator) -> Image:
    """A film on the lens or a hazy day: this share is kept of how far pixels are from their mean."""
    mean = image.mean()
    return _rounded(mean + share * (image - mean))


def jpeg(image: Image, quality: float, _: np.random.Generator) -> Image:
    """A stream with too few bits: JPEG at this quality."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def block_loss(image: Image, share: float, rng: np.random.Generator) -> Image:
    """Packets lost from a video stream: this share of its macroblocks is grey, in runs as they are coded."""
    height, width = image.shape[:2]
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    lost = np.zeros(rows * columns, np.bool_)
    while lost.sum() < share * lost.size:
        start = rng.integers(lost.size)
        lost[start : start + rng.integers(1, columns + 1)] = True
    pixels = lost.reshape(rows, columns).repeat(BLOCK, 0).repeat(BLOCK, 1)[:height, :width]
    return np.where(pixels[..., None], np.uint8(128), image)


def dirt(image: Image, share: float, rng: np.random.Generator) -> Image:
    """Mud on the lens: blobs over this share of the picture, with soft edges, as they are out of focus."""
    height, width = image.shape[:2]
    clouds = noise(rng, height, width, width / 5, 3)
    covered = _softened((clouds > np.quantile(clouds, 1 - share)).astype(np.float32), 0.008 * width)
    mud = np.array(MUD) * (1 + 0.3 * clouds[..., None])
    return to_image(image + covered[..., None] * (mud - image))


def colour_swap(image: Image, share: float, _: np.random.Generator) -> Image:
    """Red and blue pass into one another, and are swapped at 1: a wrong colour matrix or pixel format."""
    return _rounded(image + share * (image[..., ::-1].astype(np.float32) - image))


CORRUPTIONS: dict[str, Corruption] = {
    "gaussian_noise": Corruption(gaussian_noise, (10, 20, 35, 55, 85)),
    "shot_noise": Corruption(shot_noise, (60, 25, 12, 6, 3)),
    "motion_blur": Corruption(motion_blur, (0.01, 0.02, 0.035, 0.055, 0.08)),
    "defocus_blur": Corruption(defocus_blur, (0.003, 0.006, 0.01, 0.016, 0.025)),
    "rain": Corruption(rain, (0.25, 0.5, 0.9, 1.4, 2.0)),
    "fog": Corruption(fog, (0.8, 1.4, 2.3, 3.8, 6.0)),
    "snow": Corruption(snow, (0.25, 0.5, 0.8, 1.1, 1.4)),
    "night": Corruption(night, (0.2, 0.1, 0.04, 0.015, 0.005)),
    "glare": Corruption(glare, (0.35, 0.65, 1.0, 1.5, 2.4)),
    "over_exposure": Corruption(over_exposure, (2, 5, 12, 25, 50)),
    "low_contrast": Corruption(low_contrast, (0.5, 0.3, 0.18, 0.1, 0.05)),
    "jpeg": Corruption(jpeg, (25, 15, 9, 5, 2)),
    "block_loss": Corruption(block_loss, (0.03, 0.08, 0.16, 0.3, 0.5)),
    "dirt": Corruption(dirt, (0.05, 0.12, 0.22, 0.35, 0.5), fixed=True),
    "colour_swap": Corruption(colour_swap, (0.2, 0.4, 0.6, 0.8, 1.0)),
}


def _rounded(levels: npt.NDArray[np.floating]) -> Image:
    return to_image(np.rint(levels))


def _filtered(image: Image, kernel: npt.NDArray[np.floating]) -> Image:
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)


def _softened(picture: Image | Grey, deviation: float) -> Grey:
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), max(deviation, 0.3)), np.float32)


def _veiled(picture: Image | Grey, share: float, grey: float) -> Grey:
    return (1 - share) * picture + share * grey


def _line(side: int, angle: float) -> npt.NDArray[np.float64]:
    """A kernel float64 (side, side): a line through its middle."""
    middle, reach = side // 2, (side - 1) / 2
    along = np.array([np.cos(angle), np.sin(angle)]) * reach
    kernel = np.zeros((side, side))
    for x, y in np.linspace(-along, along, 8 * side) + middle:
        left, top = min(int(x), side - 2), min(int(y), side - 2)
        across, down = x - left, y - top  # shared among the four pixels about the point
        kernel[top : top + 2, left : left + 2] += np.outer([1 - down, down], [1 - across, across])
    kernel /= kernel.sum()
    return kernel


def _streaks(rng: np.random.Generator, image: Image, count: int, length: float, width: float) -> Grey:
    """float32 (h, w), 0 to 1: falling streaks, all in about one direction.

    Args:
        rng: source of all randomness.
        image: of the same size.
        count: how many.
        length: of the longest, a share of the height.
        width: of the widest, in pixels at a height of 480.
    """
    height, columns = image.shape[:2]
    slant = rng.uniform(-0.25, 0.25)
    layer = np.zeros((height, columns), np.float32)
    for x, y, size, light in rng.uniform((0, 0, 0.3, 0.4), (columns, height, 1, 1), (count, 4)):
        fall = size * length * height
        thickness = max(round(size * width * height / 480), 1)
        cv2.line(layer, (int(x), int(y)), (int(x + slant * fall), int(y + fall)), (light,), thickness)
    return layer
