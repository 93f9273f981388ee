"""What lies behind everything else: the sky and far hills."""

import numpy as np

from perception.classes import DRIVE
from perception.simulation.camera import View
from perception.simulation.look import Look
from perception.simulation.road import Road
from perception.simulation.textures import noise, sky, to_image
from perception.types import Image, Rng


class Backdrop:
    """Sky and far hills, as a panorama wide enough for every heading of the drive."""

    def __init__(self, road: Road, look: Look, rng: Rng, width: int, height: int, focal: float) -> None:
        self._turn = road.bend.steepest + 0.05
        self._focal = focal
        wide = width + 2 * int(np.ceil(self._turn * focal)) + 2
        self.picture = sky(rng, look, height, wide, width)
        self.labels = np.full((height, wide), DRIVE.id("sky"), np.uint8)
        rows = np.arange(height)[:, None]
        for k, (label, colour) in enumerate((("vegetation", (110, 110, 90)), ("vegetation", (62, 92, 70)))):
            rise = (0.035 - 0.012 * k) * width * rng.uniform(0.4, 1.3)
            line = noise(rng, 1, wide, width / (2 + 3 * k), 6 - 2 * k)[0] * 0.6 + 0.45
            if k:
                line = line + 0.12 * noise(rng, 1, wide, width / 90, 2)[0]
            inside = rows > height - 1 - np.maximum(line, 0.06) * rise
            clear = look.clear(900 - 500 * k)
            factor = look.ambient + 0.4 * look.sun
            lit = np.array(colour) * factor * clear + look.haze * (1 - clear)
            if clear > 0.03:
                self.picture[inside] = to_image(lit)
                self.labels[inside] = DRIVE.id(label)

    def _part(self, view: View) -> tuple[slice, slice, int]:
        """Rows and columns of the panorama, and the image rows that they fill."""
        width, filled = view.intrinsics.width, min(view.horizon, view.intrinsics.height)
        shift = self._focal * (
            self._turn + float(np.clip(view.pose.heading * view.side, -self._turn, self._turn))
        )
        left = int(np.clip(round(shift), 0, self.picture.shape[1] - width))
        return slice(len(self.picture) - filled, len(self.picture)), slice(left, left + width), filled

    def paint(self, image: Image, view: View) -> None:
        rows, columns, filled = self._part(view)
        image[:filled] = self.picture[rows, columns]

    def fill_labels(self, labels: Image, view: View) -> None:
        rows, columns, filled = self._part(view)
        labels[:filled] = self.labels[rows, columns]
