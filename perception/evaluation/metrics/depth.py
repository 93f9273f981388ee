"""How far depth is off: the figures of Eigen et al., "Depth map prediction from a single image", 2014."""

from dataclasses import dataclass

import numpy as np

from perception.types import Floats


@dataclass
class DepthScore:
    """Sums over the pixels of many frames of which the depth is known."""

    pixels: int = 0
    relative: float = 0.0
    near: int = 0
    squared: float = 0.0

    def add(self, truth: Floats, found: Floats) -> None:
        """Count one frame; both (h, w) in metres, `found` above 0; the truth is 0 where it is not known."""
        known = truth > 0
        true, seen = truth[known].astype(np.float64), found[known].astype(np.float64)
        self.pixels += true.size
        self.relative += float((np.abs(seen - true) / true).sum())
        self.near += int((np.maximum(seen / true, true / seen) < 1.25).sum())
        self.squared += float(((seen - true) ** 2).sum())

    def figures(self) -> dict[str, float]:
        """Mean relative error, share of pixels off by less than a quarter, root mean square error."""
        if not self.pixels:
            return {}
        return {
            "abs rel": self.relative / self.pixels,
            "δ < 1.25": self.near / self.pixels,
            "RMSE, m": (self.squared / self.pixels) ** 0.5,
        }
