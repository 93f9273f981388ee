"""Quantised graphs of one network: calibrated once, and with its worst layers left in float32 as need be."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from calibration.ranges import Method
from export.quantise import quantise
from export.sensitivity import Sensitivity, choose_ranges, sweep
from perception.bundle.manifest import Precision

QUANTISED = (Precision.INT8, Precision.SYMMETRIC_INT8)


class Quantiser:
    """Quantises the float32 graph `model`, with folded normalisation, by representative frames.

    Attributes:
        sweeps: by precision, the layers from the worst on, once they were needed.
        exact: by precision, the layers that its last graph has in float32.
    """

    def __init__(
        self, model: bytes, images: Sequence[npt.NDArray[np.uint8]], methods: Sequence[Method]
    ) -> None:
        self._model, self._images = model, images
        self._ranges, self._method, self._noise = choose_ranges(model, images, methods)
        self.sweeps: dict[Precision, list[Sensitivity]] = {}
        self.exact: dict[Precision, list[str]] = {}

    def __str__(self) -> str:
        said = f"quantised graphs were calibrated on {len(self._images)} frames by {self._method}"
        if len(self._noise) > 1:
            noise = ", ".join(f"{value:.2g} by {method}" for method, value in self._noise.items())
            said += f", which leaves the least noise in their outputs ({noise} of their variance)"
        return f"{said}."

    def graph(self, precision: Precision, exact: int) -> bytes:
        """The graph, serialised, with so many of the worst layers in float32."""
        if exact and precision not in self.sweeps:
            self.sweeps[precision] = sweep(self._model, self._ranges, precision, self._images)
        worst = self.sweeps[precision][:exact] if exact else []
        self.exact[precision] = [one.layer for one in worst]
        return quantise(self._model, self._ranges, precision, self.exact[precision])
