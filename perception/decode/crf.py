"""The class map refined: a fully connected CRF moves borders to where the picture has them.

Krähenbühl and Koltun, "Efficient inference in fully connected CRFs with Gaussian edge potentials", 2011:
every pixel is joined to every other one, the more the nearer they are and the more alike in colour
(appearance), and the nearer they are (smoothness); by mean field, each takes on the classes of those it is
joined to. Kernels are normalised symmetrically, and a pixel neighbours itself, as in the authors' code.

It takes a network's logits: how sure the network is of each pixel decides what may change, and a class map
does not hold that.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from perception.errors import ConfigError
from perception.types import Floats, Image

COLOURS = 64  # in the palette
SAMPLES = 4096  # pixels that the palette is made from
BINS = 32  # of each colour channel, in the table of what is nearest in the palette
TINY = 1e-20  # keeps a colour that has no neighbours from dividing by 0


@dataclass(frozen=True)
class CrfOptions:
    """How strongly pixels are joined. Widths are standard deviations, in pixels of the image or grey levels.

    The defaults were tuned on CamVid's training frames at 608×448, where smoothness brought nothing. The
    grid's memory and time grow with the inverse square of `reach`.

    Attributes:
        appearance: weight of the kernel over place and colour, in units of the logits.
        reach: its width over place.
        contrast: its width over colour.
        smoothness: weight of the kernel over place alone.
        smooth_reach: its width.
        iterations: of mean field.

    Raises:
        ConfigError: a width or the number of iterations is not positive, or a weight is negative.
    """

    appearance: float = 1.5
    reach: float = 80.0
    contrast: float = 10.0
    smoothness: float = 0.0
    smooth_reach: float = 3.0
    iterations: int = 3

    def __post_init__(self) -> None:
        for field in fields(self):
            value, is_weight = getattr(self, field.name), field.name in {"appearance", "smoothness"}
            if not (value >= 0 if is_weight else value > 0):
                limit = "0 or more" if is_weight else "more than 0"
                raise ConfigError(f"CRF: {field.name} is {value}; give {limit}")


def refine(logits: Floats, image: Image, options: CrfOptions | None = None) -> npt.NDArray[np.uint8]:
    """The likeliest class of each pixel, uint8 (h, w); see `energies` for the arguments."""
    labels = energies(logits, image, options or CrfOptions()).argmax(axis=1)
    return np.asarray(labels.reshape(image.shape[:2]), np.uint8)


def energies(logits: Floats, image: Image, options: CrfOptions) -> Floats:
    """The energies of all classes, float32 (h · w, classes): their softmax are the marginals by mean field.

    The field has the size of the logits; only its last message goes to every pixel of the image. Messages by
    appearance go over a bilateral grid (see `_Grid`). Against brute force over all pairs of pixels, on small
    frames, shares are off by a tenth of what the CRF changes in them where the field has the image's size,
    and one pixel in a hundred gets another class; where the field has half the size, by a sixth, and two.

    Args:
        logits: float (classes, h / k, w / k), up to a constant for each pixel: log-probabilities do as well.
        image: uint8 (h, w, 3), what the network saw.
    """
    (classes, rows, columns), (height, width) = logits.shape, image.shape[:2]
    small = np.asarray(cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)
    grid = _Grid.over(image, options.reach, options.contrast)
    field, pixels = grid.places_of(small), grid.places_of(image)
    neighbours = grid.blur(field.T @ np.ones((rows * columns, 1), np.float32))
    field_norm, pixel_norm = _inverse_root(field @ neighbours), _inverse_root(pixels @ neighbours)
    smooth_reach = options.smooth_reach * rows / height
    smooth_norm = _inverse_root(_smooth(np.ones((rows, columns, 1), np.float32), smooth_reach))

    def messages(beliefs: Floats) -> tuple[Floats, Floats]:
        """The messages by appearance, to the nodes of the grid, and by smoothness, to the field."""
        alike = grid.blur(field.T @ (field_norm * beliefs))
        near = smooth_norm * _smooth(smooth_norm * beliefs.reshape(rows, columns, classes), smooth_reach)
        return options.appearance * alike, options.smoothness * near.reshape(beliefs.shape)

    unary = np.ascontiguousarray(logits.reshape(classes, -1).T, np.float32)
    beliefs = _softmax(unary)
    for _ in range(options.iterations - 1):
        alike, near = messages(beliefs)
        beliefs = _softmax(unary + near + field_norm * (field @ alike))
    alike, near = messages(beliefs)
    alone = (unary + near).reshape(rows, columns, classes)
    enlarged = cv2.resize(alone, (width, height), interpolation=cv2.INTER_LINEAR).reshape(-1, classes)
    return np.asarray(enlarged + pixel_norm * (pixels @ alike), np.float32)


@dataclass(frozen=True)
class _Grid:
    """A bilateral grid: nodes over place and colour, on which a Gaussian over both is three small matrices.

    Chen, Paris and Durand, "Real-time edge-aware image processing with the bilateral grid", 2007. Its axes
    of colour are one palette of the frame, so that it stays small in three channels. Places fall on nodes
    bilinearly, colours on the nearest of the palette: that rounding is all that is not exact.

    Attributes:
        reach: pixels between nodes, and the standard deviation over place.
        entry: (BINS³,) which of the palette is nearest to a colour, by its place in the table.
        kernels: (ny, ny), (nx, nx), (colours, colours).
    """

    height: int
    width: int
    reach: float
    entry: npt.NDArray[np.int32]
    kernels: tuple[Floats, Floats, Floats]

    @classmethod
    def over(cls, image: Image, reach: float, contrast: float) -> Self:
        height, width = image.shape[:2]
        palette = _palette(image)
        bins = (np.indices((BINS,) * 3).reshape(3, -1).T + 0.5) * (256 / BINS)
        entry = ((palette**2).sum(axis=1) - 2 * bins.astype(np.float32) @ palette.T).argmin(axis=1)
        ny, nx = (int(side / reach) + 2 for side in (height, width))
        # Linear interpolation, onto the nodes and off them, adds a third to the variance.
        over_place = _gaussian(np.arange(max(ny, nx))[:, None] / np.sqrt(1 - 1 / 3))
        kernels = over_place[:ny, :ny], over_place[:nx, :nx], _gaussian(palette / contrast)
        return cls(height, width, reach, entry.astype(np.int32), kernels)

    def places_of(self, image: Image) -> Any:
        """How much of each pixel falls on each node: a sparse matrix (pixels, nodes), four entries a row.

        Args:
            image: uint8 (h, w, 3), the frame at any size.
        """
        from scipy import sparse  # noqa: PLC0415 - takes 0.3 s to import, and the CRF is off by default

        (y, x), (_, nx, colours) = image.shape[:2], (len(kernel) for kernel in self.kernels)
        row, row_share = _between_nodes(y, self.height / self.reach)
        column, column_share = _between_nodes(x, self.width / self.reach)
        blue, green, red = np.moveaxis(image // np.uint8(256 // BINS), -1, 0).astype(np.int32)
        entry = self.entry[(blue * BINS + green) * BINS + red]
        node = (row[:, None, :, None] * nx + column[:, None, :]) * colours + entry[..., None, None]
        share = np.broadcast_to(row_share[:, None, :, None] * column_share[:, None, :], node.shape)
        starts = np.arange(0, node.size + 1, 4, dtype=np.int32)
        nodes = np.prod([len(kernel) for kernel in self.kernels])
        return sparse.csr_matrix((share.ravel(), node.ravel(), starts), shape=(y * x, nodes))

    def blur(self, values: Floats) -> Floats:
        """Values (nodes, channels), each node's Gaussian sum over all."""
        over_y, over_x, over_colour = self.kernels
        blurred = over_y @ values.reshape(len(over_y), -1)
        blurred = over_x @ blurred.reshape(len(over_y), len(over_x), -1)
        blurred = over_colour @ blurred.reshape(-1, len(over_colour), values.shape[1])
        return blurred.reshape(values.shape)


def _palette(image: Image) -> Floats:
    """Colours that represent an image, (n, 3): k-means, initialised by the ranks of brightness."""
    step = max(1, round(np.sqrt(image.shape[0] * image.shape[1] / SAMPLES)))
    samples = image[::step, ::step].reshape(-1, 1, 3).astype(np.float32)
    count = min(COLOURS, len(samples))
    ranks = samples.sum(axis=(1, 2)).argsort(kind="stable").argsort(kind="stable")
    labels = (ranks * count // len(samples)).astype(np.int32)
    criteria = (cv2.TERM_CRITERIA_COUNT, 10, 0.0)
    palette = cv2.kmeans(samples, count, labels, criteria, 1, cv2.KMEANS_USE_INITIAL_LABELS)[2]
    return np.asarray(palette, np.float32)


def _between_nodes(pixels: int, units: float) -> tuple[npt.NDArray[np.int32], Floats]:
    """Along a side of so many units: the nodes on both sides of each pixel, and their shares, (pixels, 2)."""
    place = (np.arange(pixels) + 0.5) * (units / pixels)
    before = place.astype(np.int32)
    share = (place - before).astype(np.float32)
    return np.stack([before, before + 1], axis=1), np.stack([1 - share, share], axis=1)


def _gaussian(points: npt.NDArray[Any]) -> Floats:
    """The Gaussian of unit width between points (n, d): (n, n)."""
    return np.asarray(np.exp(-0.5 * ((points[:, None] - points) ** 2).sum(axis=-1)), np.float32)


def _smooth(values: Floats, width: float) -> Floats:
    """The Gaussian sum over place of (h, w, channels), with nothing beyond the edges."""
    side = 2 * int(np.ceil(3 * width)) + 1
    smoothed = cv2.GaussianBlur(values, (side, side), width, borderType=cv2.BORDER_CONSTANT)
    return smoothed.reshape(values.shape).astype(np.float32, copy=False)


def _inverse_root(sums: Floats) -> Floats:
    return np.asarray(1 / np.sqrt(np.maximum(sums, TINY)), np.float32)


def _softmax(energies: Floats) -> Floats:
    """Over the classes of (pixels, classes)."""
    shares = np.exp(energies - cv2.reduce(energies, 1, cv2.REDUCE_MAX))  # numpy is slow on rows this short
    return np.asarray(shares / cv2.reduce(shares, 1, cv2.REDUCE_SUM), np.float32)
