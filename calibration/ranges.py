"""The range of each tensor of a network on representative frames: 256 steps must cover it."""

import contextlib
import io
import tempfile
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod
from onnxruntime.quantization.calibrate import TensorsData, create_calibrator
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

HISTOGRAM_FRAMES = 8  # the first chosen are the most unlike each other; every value of each is counted


class Method(StrEnum):
    """How a range is found.

    MINMAX: the mean over the frames of their extremes, so that one odd frame does not decide. ENTROPY: the
    range within which the quantised values lose least information (Migacz, "8-bit inference with
    TensorRT", 2017). PERCENTILE: that of 99.99 % of the values.
    """

    MINMAX = "minmax"
    ENTROPY = "entropy"
    PERCENTILE = "percentile"


_RUNTIME = {
    Method.MINMAX: (CalibrationMethod.MinMax, {"moving_average": True}),
    Method.ENTROPY: (CalibrationMethod.Entropy, {"num_bins": 512}),
    Method.PERCENTILE: (CalibrationMethod.Percentile, {"percentile": 99.99}),
}


def measure_ranges(model: bytes, images: Sequence[npt.NDArray[np.uint8]], method: Method) -> TensorsData:
    """The range of every tensor that can be quantised, by its name in the float32 graph `model`.

    Args:
        images: uint8 (1, h, w, 3) BGR, as the network will see them, the most representative first.
    """
    kind, options = _RUNTIME[method]
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        source = Path(folder, "float.onnx")
        source.write_bytes(model)
        calibrator = create_calibrator(
            source,
            sorted({*QLinearOpsRegistry, *QDQRegistry}),
            augmented_model_path=str(Path(folder, "augmented.onnx")),
            calibrate_method=kind,
            extra_options=options,
        )
        if method is Method.MINMAX:
            calibrator.collect_data(_Reader(images))
        else:
            for image in images[:HISTOGRAM_FRAMES]:  # one by one: it holds all their tensors
                calibrator.collect_data(_Reader([image]))
        return calibrator.compute_data()


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, images: Sequence[npt.NDArray[np.uint8]]) -> None:
        self._left: Iterator[npt.NDArray[np.uint8]] = iter(images)

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        image = next(self._left, None)
        return None if image is None else {"image": image}
