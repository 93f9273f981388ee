"""Views in which the bonnet of the camera's own car is in the picture: it is no road user."""

from dataclasses import replace

import cv2
import numpy as np

from perception.classes import ClassSet
from perception.training.augmentation import View

HEIGHT = 0.05, 0.25  # of the view's height, at its highest point
HALF_WIDTH = 0.35, 0.75  # of the view's width
REFLECTED = 0.15, 0.7  # how much of the bonnet's look is what it reflects


def with_bonnet(view: View, rng: np.random.Generator, classes: ClassSet) -> View:
    """The view with a bonnet at its lower edge, of any paint, that reflects what is above it.

    Its pixels may be of any class but the things, so that a network learns to find no road user there.
    """
    height, width = view.image.shape[:2]
    high = rng.uniform(*HEIGHT) * height
    centre, half = rng.uniform(0.3, 0.7) * width, rng.uniform(*HALF_WIDTH) * width
    away = np.abs(np.arange(width) - centre) / half
    edge = (height - high * (1 - away ** rng.uniform(2, 6))).astype(np.float32)  # the first row, by column
    rows = np.arange(height, dtype=np.float32)[:, None]
    stretch = rng.uniform(1, 3)
    source = np.clip(edge - stretch * (rows - edge), 0, height - 1)
    columns = np.broadcast_to(np.arange(width, dtype=np.float32), source.shape)
    mirrored = cv2.remap(view.image, columns, source.astype(np.float32), cv2.INTER_LINEAR)
    mirrored = cv2.GaussianBlur(mirrored, (0, 0), rng.uniform(1, 0.02 * width))
    paint = rng.uniform(0, 255) + rng.normal(0, 20, 3)
    light = 1 + rng.uniform(-0.5, 0.5) * (rows - edge)[..., None] / max(high, 1)
    share = rng.uniform(*REFLECTED)
    look = np.clip(light * (share * mirrored + (1 - share) * paint), 0, 255)
    alpha = np.clip(rows - edge + 0.5, 0, 1)[..., None]
    stride = height // view.target.shape[0]
    inside = alpha[stride // 2 :: stride, stride // 2 :: stride, 0] > 0.5
    no_thing = classes.bits(*(name for name in classes.names if name not in classes.things))
    return replace(
        view,
        image=np.asarray(view.image + alpha * (look - view.image), np.uint8),
        target=np.where(inside, no_thing, view.target).astype(np.int32),
        instances=np.where(inside, 0, view.instances).astype(np.int32),
    )
