"""What a graph may lose against torch, by its precision; beyond it nothing is written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from export.graph_comparison import Comparison
from export.validation import ParityError
from perception.bundle.manifest import Precision

TENS = 30  # of a thing, which a set must show before its AP says anything


@dataclass(frozen=True)
class Tolerance:
    """The most that a figure may fall: mean IoU, IoU of classes by name, mask AP of each thing.

    `noise` is the most that an output may differ on golden frames, as a share of its own variance.
    """

    noise: float
    mean_iou: float
    iou: Mapping[str, float]
    ap: float


_INT8 = Tolerance(noise=np.inf, mean_iou=0.01, iou={"lane_marking": 0.02}, ap=0.02)
TOLERANCES = {
    # By `check_parity` on golden frames; here, what other rounding does to a set's figures.
    Precision.FLOAT32: Tolerance(noise=1e-3, mean_iou=0.001, iou={}, ap=0.005),
    Precision.FLOAT16: Tolerance(noise=0.01, mean_iou=0.005, iou={}, ap=0.02),
    Precision.INT8: _INT8,
    Precision.SYMMETRIC_INT8: _INT8,
}
_QUANTISED = (
    "leave more layers in float32 (--keep-float N), calibrate on frames more like these, or train on "
    "with `quantised: true`"
)
REMEDIES = {
    Precision.FLOAT32: "this is a fault of the exporter or of ONNX Runtime: report it",
    Precision.FLOAT16: "its values are too large or too fine for float16: train it longer, with weight decay",
    Precision.INT8: _QUANTISED,
    Precision.SYMMETRIC_INT8: _QUANTISED,
}


def losses(comparison: Comparison) -> Iterable[tuple[str, float, float, float]]:
    """What may fall only so far: the figure's name, torch's value, the graph's, and the tolerance."""
    allowed, exact, rough = TOLERANCES[comparison.precision], comparison.reference, comparison.accuracy
    if exact is None or rough is None:
        return
    if exact.mean_iou is not None and rough.mean_iou is not None:
        yield "mean IoU", exact.mean_iou, rough.mean_iou, allowed.mean_iou
    for name, limit in allowed.iou.items():
        if name in exact.iou:
            yield f"IoU of {name}", exact.iou[name], rough.iou[name], limit
    for name, value in exact.ap.items():
        if comparison.instances[name] >= TENS:
            yield f"AP of {name}", value, rough.ap[name], allowed.ap


def faults(comparison: Comparison) -> list[str]:
    """Every tolerance that a graph exceeds on a set, and by how much."""
    found = [
        f"{name} falls by {exact - rough:.4f}, from {exact:.4f} in torch to {rough:.4f} (limit {limit:g})"
        for name, exact, rough, limit in losses(comparison)
        if not exact - rough <= limit
    ]
    if comparison.reference is None:
        noise = TOLERANCES[comparison.precision].noise
        found += [
            f"the output {name} differs by {value:.2g} of its variance (limit {noise:g})"
            for name, value in comparison.noise.items()
            if not value <= noise
        ]
    found += [
        f"the output {name} holds what is not a number"
        for name, value in comparison.apart.items()
        if np.isnan(value)
    ]
    return found


def refuse(comparisons: Iterable[Comparison]) -> None:
    """Refuse graphs that exceed their tolerances on any set.

    Raises:
        ParityError: one does; with all faults of the first such graph, and what to do.
    """
    bad = [(one, found) for one in comparisons if (found := faults(one))]
    if not bad:
        return
    precision = bad[0][0].precision
    said = "; ".join(f"on {one.set}: {', '.join(found)}" for one, found in bad if one.precision is precision)
    raise ParityError(
        f"the {precision} graph loses too much {said}; {REMEDIES[precision]}; nothing was written"
    )
