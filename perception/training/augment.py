"""Random views of a sample: scale, crop, mirror, and the moods of a camera."""

import cv2
import numpy as np
import numpy.typing as npt

from perception.training.datasets import Sample

STRIDE = 2  # of the network's logits: targets are sampled at their centres


def random_view(
    sample: Sample,
    rng: np.random.Generator,
    *,
    crop: tuple[int, int],
    scale: tuple[float, float],
    pixels: int,
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int32]]:
    """Cut a random view.

    Args:
        sample: the frame.
        rng: source of all randomness.
        crop: height, width of the view.
        scale: range of the enlargement, relative to the size at which the network will see such a frame.
        pixels: the network's pixel budget, which fixes that size.

    Returns:
        image uint8 (h, w, 3) and class bits int32 (h / STRIDE, w / STRIDE). Outside the frame the image is
        black and the target 0 (ignore).
    """
    height, width = sample.image.shape[:2]
    deployed = np.sqrt(pixels / (height * width))
    factor = deployed * np.exp(rng.uniform(np.log(scale[0]), np.log(scale[1])))
    stretch = rng.uniform(0.9, 1.1)
    sx, sy = factor * stretch, factor / stretch
    crop_h, crop_w = crop
    left = _offset(rng, width * sx, crop_w)
    top = _offset(rng, height * sy, crop_h)
    mirror = rng.random() < 0.5

    def view(array: npt.NDArray[np.integer], stride: int, interpolation: int) -> npt.NDArray[np.integer]:
        """Sample the source at the centre of each output pixel."""
        rows, cols = crop_h // stride, crop_w // stride
        ax, ay = stride / sx, stride / sy
        bx, by = left / sx + ax / 2 - 0.5, top / sy + ay / 2 - 0.5
        if mirror:
            ax, bx = -ax, bx + ax * (cols - 1)
        inverse = np.array([[ax, 0, bx], [0, ay, by]])
        flags = interpolation | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(array, inverse, (cols, rows), flags=flags), array.dtype)

    source = sample.image
    if factor < 0.7:  # linear interpolation alone would alias
        source = cv2.blur(source, (2, 2)).astype(np.uint8)
    image = view(source, 1, cv2.INTER_LINEAR).astype(np.uint8)
    target = view(sample.target, STRIDE, cv2.INTER_NEAREST).astype(np.int32)
    return _mood(image, rng), target


def _offset(rng: np.random.Generator, size: float, crop: int) -> float:
    slack = size - crop
    return float(rng.uniform(min(0.0, slack), max(0.0, slack)))


def _mood(image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
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
