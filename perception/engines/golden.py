"""The self-test: an engine is only used once it has reproduced the outputs that the bundle holds."""

from dataclasses import dataclass

import numpy as np

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.engines.base import ReadyEngine
from perception.errors import BundleError


@dataclass(frozen=True)
class Limit:
    """How far two runtimes that are both right may be apart.

    Attributes:
        share: of the values of an output that must agree.
        tolerances: how many times the output's tolerance a value may differ and still agree.
    """

    share: float
    tolerances: float


# float32: a few pixels on the borders between classes may differ.
# float16: more of them; rounding alone changes 0.05 % of the drive network's labels.
# INT8: a value that rounds to the other side moves by a whole step, through every layer. On the drive network
# OpenVINO reproduces ONNX Runtime's golden output in 99.3 % of the labels, and at twice the tolerances in
# 99.4 % of the borders and more of all else, while both agree with float32 alike, in 97.8 % of the labels.
# A faulty kernel shows: OpenVINO's for inputs of any size reproduces 7 % of them.
LIMITS = {
    Precision.FLOAT32: Limit(0.999, 1),
    Precision.FLOAT16: Limit(0.995, 1),
    Precision.INT8: Limit(0.985, 2),
    Precision.SYMMETRIC_INT8: Limit(0.985, 2),
}


def check_golden(bundle: Bundle, engine: ReadyEngine) -> float:
    """Run the golden input; the least share of values, over all outputs, that are as expected.

    Raises:
        BundleError: an output differs by more than rounding explains, or holds values that are no numbers.
    """
    precision = engine.info.precision
    image, expected = bundle.golden(precision)
    found = engine.run(image)
    path, remedy = bundle.folder / "golden.npz", "Export the bundle again, or choose another engine."
    limit = LIMITS[precision]
    shares = []
    for name, wanted in expected.items():
        got = found[name]
        if (got.dtype, got.shape) != (wanted.dtype, wanted.shape):
            raise BundleError(
                f"{path}: {engine.name} gives {name} as {got.dtype} {got.shape}, "
                f"expected {wanted.dtype} {wanted.shape}. {remedy}"
            )
        for what, values in ((f"{path}: the golden output", wanted), (f"{engine.name}: the output", got)):
            if lost := int(np.count_nonzero(~np.isfinite(values))):
                raise BundleError(
                    f"{what} {name} holds {lost} values that are not finite, of {values.size}: weights are "
                    f"damaged, or too large for {precision}. {remedy}"
                )
        apart = np.abs(got.astype(np.float64) - wanted)
        shares.append(float(np.mean(apart <= limit.tolerances * bundle.info.outputs[name].tolerance)))
        if shares[-1] < limit.share:
            raise BundleError(
                f"{path}: {engine.name} reproduces {shares[-1]:.2%} of the values of {name}, "
                f"expected at least {limit.share:.1%}. {remedy}"
            )
    return min(shares)
