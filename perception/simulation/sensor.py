"""The camera's sensor: wet ground, blur, exposure and noise."""

import cv2
import numpy as np
import numpy.typing as npt

from perception.simulation.look import Look
from perception.types import Image, Rng

_SPARE = 97  # pixels by which the noise is larger than the image, to shift it about


class Sensor:
    """Turns a clean rendering into a camera image; the same frame index always gives the same noise."""

    def __init__(self, look: Look, rng: Rng, width: int, height: int) -> None:
        self._look, self._seed = look, int(rng.integers(2**31))
        shape = (height + _SPARE, width + _SPARE)
        grey = rng.normal(0, look.noise * 0.8, shape).astype(np.float32)
        field = grey[..., None] + rng.normal(0, look.noise * 0.6, (*shape, 3)).astype(np.float32)
        if look.weather == "rain":
            field += self._streaks(rng, *shape)[..., None]
        self._noise = np.clip(field + 128, 0, 255).astype(np.uint8)
        self._blur_width = max(round(width / 420), 1) | 1

    def _streaks(self, rng: Rng, height: int, width: int) -> npt.NDArray[np.float32]:
        layer = np.zeros((height, width), np.float32)
        slant = rng.uniform(-0.15, 0.15)
        for _ in range(int(rng.integers(150, 500))):
            x, y, size = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0.02, 0.06) * height
            end = (int(x + slant * size), int(y + size))
            cv2.line(layer, (int(x), int(y)), end, (float(rng.uniform(8, 24)),), 1)
        return cv2.blur(layer, (2, 2)).astype(np.float32)

    def wet(self, image: Image, ground: Image, horizon: int) -> None:
        """Mirror what is above the horizon where `ground` is not 0, in place."""
        below, height = len(image) - horizon, min(len(image) - horizon, horizon)
        if height < 2:
            return
        mirrored = cv2.blur(cv2.flip(image[horizon - height : horizon], 0), (3, max(height // 12, 1)))
        mirrored = cv2.copyMakeBorder(mirrored, 0, below - height, 0, 0, cv2.BORDER_REPLICATE)
        part = image[horizon:]
        amount = 0.45 * self._look.wet
        cv2.copyTo(cv2.addWeighted(part, 1 - amount, mirrored, amount, 0), ground[horizon:], part)

    def expose(self, image: Image, index: int) -> Image:
        """Lens softness, blur of what passes at the sides, exposure and noise."""
        rng = np.random.default_rng([self._seed, index])
        height, width = image.shape[:2]
        soft = cv2.blur(image, (3, 3)) if width < 64 else cv2.GaussianBlur(image, (3, 3), 0.6)
        side = width // 6
        if self._look.blur > 0.004 and self._blur_width > 1:
            for part in (slice(0, side), slice(width - side, width)):
                soft[:, part] = cv2.blur(soft[:, part], (self._blur_width, 1))
        top, left = (int(x) for x in rng.integers(0, _SPARE, 2))
        grain = self._noise[top : top + height, left : left + width]
        gain = self._look.gain * (1 + 0.05 * float(np.sin(index * 0.013 + self._seed % 7)))
        return np.asarray(cv2.addWeighted(soft, gain, grain, 1.0, -128.0), np.uint8)
