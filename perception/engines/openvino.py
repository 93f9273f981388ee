"""OpenVINO on the CPU: the bundle's ONNX file as it is, INT8 on the instructions made for it."""

import threading
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.bundle import Bundle
from perception.bundle_info import Precision
from perception.engines.cache import cache_folder
from perception.engines.engine import OnBuild, check_image
from perception.engines.onnx import physical_cores
from perception.engines.pool import SHAPES, Pool, Shape
from perception.errors import EngineError

NAMES = {Precision.FLOAT32: "openvino", Precision.INT8: "openvino-int8"}


class OpenVinoEngine:
    """A network that is compiled for each size of image that it is shown, and kept for the latest few.

    OpenVINO would compile it once for all sizes, but then it is slower, and with INT8 it is wrong.
    """

    def __init__(self, name: str, core: Any, bundle: Bundle, threads: int, precision: Precision) -> None:
        self.name = name
        self.precision = precision
        self.reason = ""
        self.passed_over: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self._input = bundle.info.input
        self._core = core
        self._path = bundle.graph(precision)
        self._options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the CPU has it: other label maps
            "INFERENCE_NUM_THREADS": str(threads or physical_cores()),
            "NUM_STREAMS": "1",
            "ENABLE_CPU_PINNING": "NO",  # all engines of the process would share the first core
            "CACHE_DIR": str(cache_folder() / "openvino"),
        }
        self._lock = threading.Lock()
        self._compiled = lru_cache(SHAPES)(self._compile)
        self._requests = Pool(self._request)

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """The output maps for uint8 (h, w, 3 · frames) BGR, by name, without batch axis; see `Engine.run`."""
        check_image(self.name, self._input, image)
        try:
            with self._requests.lent((1, *image.shape)) as request:
                maps = request.infer({self._input.name: image[None]}, share_inputs=True)
        except RuntimeError as error:
            raise EngineError(f"{self.name}: the run failed: {_tidy(error)}") from error
        return {output.any_name: array[0] for output, array in maps.items()}

    def _request(self, shape: Shape) -> Any:
        with self._lock:  # the first two threads would both compile it
            return self._compiled(shape).create_infer_request()

    def _compile(self, shape: Shape) -> Any:
        model = self._core.read_model(self._path)
        model.reshape(list(shape))
        return self._core.compile_model(model, "CPU", self._options)


def open_openvino(
    bundle: Bundle, threads: int, precision: Precision, on_build: OnBuild | None = None
) -> OpenVinoEngine:
    """The bundle's network on OpenVINO, one of `NAMES`.

    Raises:
        EngineError: OpenVINO is not installed, or refuses the graph.
    """
    name = NAMES[precision]
    try:
        import openvino  # noqa: PLC0415 (a runtime that few have: only where it is wanted)
    except ImportError as error:
        raise EngineError(
            f"{name} cannot run: openvino does not import ({error}). "
            "Install it: pip install 'perception[openvino]'."
        ) from error
    return OpenVinoEngine(name, openvino.Core(), bundle, threads, precision)


def _tidy(error: RuntimeError) -> str:
    return " ".join(str(error).split())
