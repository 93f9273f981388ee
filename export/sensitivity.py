"""The noise that quantisation adds to a network's outputs: of all its layers, and of each one alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnx
from onnxruntime.quantization.calibrate import TensorsData

from calibration.ranges import Method, measure_ranges
from export.quantise import ALWAYS_EXACT, layers, quantise
from perception.bundle.manifest import Precision
from perception.engines.onnx_cpu import open_graph
from perception.resample import fit_image
from perception.training.describe import MULTIPLE

Images = Sequence[npt.NDArray[np.uint8]]
FRAMES = 4
SWEEP_PIXELS = 0.25  # of the calibration frames': eighty layers are tried one by one


@dataclass(frozen=True)
class Sensitivity:
    """A layer, by its name in torch, and the noise of the outputs where it alone is quantised."""

    layer: str
    noise: float


class Listener:
    """Compares quantised graphs with the float32 graph `model` on a few frames, uint8 (1, h, w, 3)."""

    def __init__(self, model: bytes, images: Images) -> None:
        self._images = images[:FRAMES]
        self._exact = self._answers(model)

    def noise(self, model: bytes) -> float:
        """The mean square of the differences of all float outputs, each as a share of its variance, summed.

        Logits count, too, where the graph gives only the labels that it chooses by them.
        """
        return sum(
            float(np.mean((found - wanted) ** 2) / max(np.var(wanted), 1e-12))
            for exact, answer in zip(self._exact, self._answers(model), strict=True)
            for wanted, found in zip(exact, answer, strict=True)
        ) / len(self._images)

    def _answers(self, model: bytes) -> list[list[npt.NDArray[np.float32]]]:
        engine = open_graph(with_logits(model))
        answers = (engine.run(image[0]).values() for image in self._images)
        return [[array for array in answer if array.dtype == np.float32] for answer in answers]


def choose_ranges(
    model: bytes, images: Images, methods: Sequence[Method]
) -> tuple[TensorsData, Method, dict[Method, float]]:
    """The ranges by the method that gives the INT8 graph of least noise on the calibration frames themselves.

    Also that method, and the noise of each.
    """
    listener = Listener(model, images)
    ranges = {method: measure_ranges(model, images, method) for method in methods}
    noise = {method: listener.noise(quantise(model, ranges[method], Precision.INT8)) for method in methods}
    best = min(noise, key=lambda method: noise[method])
    return ranges[best], best, noise


def sweep(model: bytes, ranges: TensorsData, precision: Precision, images: Images) -> list[Sensitivity]:
    """Every layer that may be quantised, the one that hurts most first."""
    pixels = round(SWEEP_PIXELS * images[0].shape[1] * images[0].shape[2])
    small = [fit_image(image[0], max(pixels, MULTIPLE**2), MULTIPLE)[None] for image in images[:FRAMES]]
    listener = Listener(model, small)
    found = [
        Sensitivity(layer, listener.noise(quantise(model, ranges, precision, only=(layer,))))
        for layer in layers(model)
        if layer not in ALWAYS_EXACT
    ]
    return sorted(found, key=lambda one: -one.noise)


def with_logits(model: bytes) -> bytes:
    """The graph that also gives what its labels are the argmax of."""
    proto = onnx.load_from_string(model)
    given = {output.name for output in proto.graph.output}
    for node in proto.graph.node:
        if node.op_type == "ArgMax" and node.input[0] not in given:
            logits = onnx.helper.make_tensor_value_info(node.input[0], onnx.TensorProto.FLOAT, None)
            proto.graph.output.append(logits)
    return bytes(proto.SerializeToString())
