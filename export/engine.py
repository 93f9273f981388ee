"""A graph that is not in a bundle yet, as an engine: export scores it through the node's own decoding."""

from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from perception.bundle.manifest import Precision


class GraphEngine:
    """See `perception.engines.Engine`; on ONNX Runtime's CPU provider."""

    name = "onnx-cpu"
    reason = "the graph is being exported"
    passed_over: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __init__(self, graph: bytes, precision: Precision = Precision.FLOAT32) -> None:
        self.precision = precision
        options = ort.SessionOptions()
        options.log_severity_level = 4  # it warns of float16 nodes that the CPU computes in float32
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the decoder has work, too
        # As TensorRT, for which it stands here, leave in float32 what is not quantised.
        left = ["WeightBiasQuantization"] if precision is Precision.SYMMETRIC_INT8 else []
        self._session = ort.InferenceSession(
            graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=left
        )
        self._names = [output.name for output in self._session.get_outputs()]

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """The outputs, by name, without batch axis, for an image uint8 (h, w, c)."""
        answer = self._session.run(self._names, {"image": image[None]})
        return {name: array[0] for name, array in zip(self._names, answer, strict=True)}
