"""Random views of a sample: scale, crop, mirror, pasted road users, and photometric augmentation."""

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from perception.classes import MIRRORED
from perception.datasets.dataset import Sample
from perception.types import Image

STRIDE = 2  # of the labels that the drive network and Mask R-CNN are taught by
MOST_ENLARGED = 2.0  # of a frame's own pixels, beyond the size at which the network will see it: more is blur
PASTED = 100_000  # added to the ids of instances that came from another view


@dataclass(frozen=True)
class View:
    """What the network is shown, and what it should say, as far as the sample knows it.

    Attributes:
        image: uint8 (h, w, 3) BGR.
        target: int32 (h / stride, w / stride) class bits, 0 ignore.
        instances: int32, as large; class id × 1000 + k of known instances (plus `PASTED`), else 0.
        earlier: the frames before it, the oldest first, cut like the image.
        picture: what should come out, uint8 (h, w, 3).
        depth: float32 (h, w), metres at the focal length that the network usually sees; 0 unknown.
        key_points: float32 (n, 4): kind, x, y, and the height of the person, in pixels of the view.
    """

    image: Image
    target: npt.NDArray[np.int32]
    instances: npt.NDArray[np.int32]
    earlier: tuple[Image, ...] = ()
    picture: Image | None = None
    depth: npt.NDArray[np.float32] | None = None
    key_points: npt.NDArray[np.float32] | None = None


def random_view(
    sample: Sample,
    rng: np.random.Generator,
    *,
    crop: tuple[int, int],
    scale: tuple[float, float],
    pixels: int,
    stride: int = STRIDE,
) -> View:
    """Cut a random view; outside the frame it is black, and its target 0 (ignore).

    Args:
        sample: the frame.
        rng: source of all randomness.
        crop: height, width of the view.
        scale: range of the enlargement, relative to the size at which the network will see such a frame.
        pixels: the network's pixel budget, which fixes that size.
        stride: of the labels: they are sampled at their centres.
    """
    height, width = sample.image.shape[:2]
    deployed = np.sqrt(pixels / (height * width))
    highest = max(scale[0], min(scale[1], max(1.0, MOST_ENLARGED / deployed)))
    factor = deployed * np.exp(rng.uniform(np.log(scale[0]), np.log(highest)))
    stretch = rng.uniform(0.9, 1.1)
    sx, sy = factor * stretch, factor / stretch
    crop_h, crop_w = crop
    left = _offset(rng, width * sx, crop_w)
    top = _offset(rng, height * sy, crop_h)
    mirror = rng.random() < 0.5

    def view(array: npt.NDArray[Any], stride: int, interpolation: int) -> npt.NDArray[Any]:
        """Sample the source at the centre of each output pixel."""
        rows, cols = crop_h // stride, crop_w // stride
        ax, ay = stride / sx, stride / sy
        bx, by = left / sx + ax / 2 - 0.5, top / sy + ay / 2 - 0.5
        if mirror:
            ax, bx = -ax, bx + ax * (cols - 1)
        inverse = np.array([[ax, 0, bx], [0, ay, by]])
        flags = interpolation | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(array, inverse, (cols, rows), flags=flags), array.dtype)

    def picture(source: Image) -> Image:
        if factor < 0.7:  # linear interpolation alone would alias
            source = cv2.GaussianBlur(source, (3, 3), 0).astype(np.uint8)  # an even kernel would move it
        return view(source, 1, cv2.INTER_LINEAR)

    def points(source: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        x, y = (source[:, 1] + 0.5) * sx - left - 0.5, (source[:, 2] + 0.5) * sy - top - 0.5
        kind = source[:, 0]
        if mirror:
            x, kind = crop_w - 1 - x, np.array(MIRRORED)[kind.astype(int)]
        inside = (x >= 0) & (x <= crop_w - 1) & (y >= 0) & (y <= crop_h - 1)
        moved = np.stack([kind, x, y, source[:, 3] * sy], 1)
        return np.asarray(moved[inside], np.float32)

    depth, key_points = sample.depth, sample.key_points
    return View(
        picture(sample.image),
        view(sample.target.astype(np.int32), stride, cv2.INTER_NEAREST),
        view(sample.instances, stride, cv2.INTER_NEAREST).astype(np.int32),
        earlier=tuple(map(picture, sample.earlier)),
        picture=None if sample.picture is None else picture(sample.picture),
        # What is enlarged looks nearer to a network that knows one focal length.
        depth=None if depth is None else view(depth, 1, cv2.INTER_NEAREST) * np.float32(deployed / factor),
        key_points=None if key_points is None else points(key_points),
    )


def paste(view: View, other: View, rng: np.random.Generator) -> View:
    """The view with about half of the other's instances before it, where they stand there.

    Ghiasi et al., "Simple copy-paste is a strong data augmentation method for instance segmentation", 2021.
    """
    ids = np.unique(other.instances[other.instances > 0])
    chosen = np.isin(other.instances, ids[rng.random(len(ids)) < 0.5])
    mask = cv2.resize(chosen.view(np.uint8), view.image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    alpha = cv2.blur(mask.astype(np.float32), (3, 3))[..., None]  # a hard edge would give the pasted away
    image = view.image + alpha * (other.image.astype(np.float32) - view.image)
    depth, key_points = view.depth, view.key_points
    if depth is not None:
        depth = np.where(mask > 0, 0 if other.depth is None else other.depth, depth).astype(np.float32)
    if key_points is not None:
        added = key_points[:0] if other.key_points is None else other.key_points
        key_points = np.concatenate([key_points[~_on(mask, key_points)], added[_on(mask, added)]])
    return replace(
        view,
        depth=depth,
        key_points=key_points,
        image=image.astype(np.uint8),
        target=np.where(chosen, other.target, view.target),
        instances=np.where(chosen, other.instances + PASTED, view.instances),
    )


def _on(mask: npt.NDArray[Any], points: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which key points (n, 4) of a view lie on its mask (h, w)."""
    columns, rows = np.rint(points[:, 1:3]).astype(int).T
    return np.asarray(mask[rows, columns] > 0)


def photometric(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Exposure, contrast, white balance, saturation, blur, noise and compression."""
    gain = np.exp(rng.normal(0, 0.25)) * np.exp(rng.normal(0, 0.06, 3))
    gamma = np.exp(rng.normal(0, 0.25))
    offset = rng.normal(0, 8)
    levels = np.linspace(0, 1, 256)[:, None] ** gamma * gain * 255 + offset
    image = cv2.LUT(image, np.clip(levels, 0, 255).astype(np.uint8)[:, None, :]).astype(np.uint8)
    if rng.random() < 0.5:
        grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        keep = rng.uniform(0.3, 1.5)
        image = cv2.addWeighted(image, keep, grey, 1 - keep, 0).astype(np.uint8)
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.5)).astype(np.uint8)
    if rng.random() < 0.2:
        noise = rng.normal(0, rng.uniform(2, 12), image.shape).astype(np.float32)
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))]
        image = np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_COLOR), np.uint8)
    return image


def _offset(rng: np.random.Generator, size: float, crop: int) -> float:
    slack = size - crop
    return float(rng.uniform(min(0.0, slack), max(0.0, slack)))
