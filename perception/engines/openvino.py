"""OpenVINO on the CPU: the bundle's ONNX file as it is, INT8 by the CPU's INT8 instructions."""

import threading
from functools import cache, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import GRAPHS, Precision
from perception.engines.base import EngineInfo, OnBuild, check_image
from perception.engines.buffers import SHAPES, BufferPool, Shape
from perception.engines.cache import EngineCache, EngineKey, Notes, cache_folder
from perception.engines.machine import instructions, physical_cores, processor
from perception.engines.onnx_file import named
from perception.engines.telemetry import warn_if_late, without_sender
from perception.errors import EngineError
from perception.extras import hint

NAMES = {Precision.FLOAT32: "openvino", Precision.INT8: "openvino-int8"}


class OpenVinoEngine:
    """A network that is compiled for each size of image, and kept for the latest few.

    OpenVINO would compile it once for all sizes, but then it is slower, and with INT8 it is wrong. Compiling
    takes a second or two; what was compiled for the first few sizes is kept for the next start, too.
    """

    def __init__(self, name: str, precision: Precision, bundle: Bundle, threads: int, version: str) -> None:
        self.name, self._precision = name, precision
        self._notes: Notes = ()
        self._info = bundle.info
        self._path = bundle.graph(precision)
        self._version = version
        self._core = _core()
        threads = threads or physical_cores()
        at_once = max(1, physical_cores() // threads)  # more runs than that would wait for a core anyway
        self._options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",  # else bfloat16 where the CPU has it: other label maps
            "INFERENCE_NUM_THREADS": str(threads * at_once),
            "NUM_STREAMS": str(at_once),
            "ENABLE_CPU_PINNING": "NO",  # several engines would share the first core
        }
        self._lock = threading.Lock()
        self._kept = 0
        self._compiled = lru_cache(SHAPES)(self._load)
        self._requests = BufferPool(self._request)

    @property
    def info(self) -> EngineInfo:
        """The engine's facts, with notes on what was compiled up to now."""
        return EngineInfo(self.name, self._precision, notes=self._notes, own_threads=True)

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """The output maps for uint8 (h, w, 3 · frames) BGR, by name, without batch axis; see `Engine.run`."""
        check_image(self.name, self._info.input, image)
        with self._requests.lent((1, *image.shape)) as request:
            try:
                maps = request.infer({self._info.input.name: image[None]}, share_inputs=True)
            except RuntimeError as error:
                raise EngineError(f"{self.name}: the run failed: {_tidy(error)}") from error
        # Where nodes were fused, an output also has the names of those before it.
        found = {name: map_[0] for output, map_ in maps.items() for name in output.get_names()}
        return {name: found[name] for name in self._info.outputs}

    def _request(self, shape: Shape) -> Any:
        with self._lock:  # the first two threads would both compile it
            return self._compiled(shape).create_infer_request()

    def _load(self, shape: Shape) -> Any:
        """The network for one shape from the cache, else compiled and put there."""
        cache = EngineCache(cache_folder() / "openvino")
        graph, builder = self._info.files[GRAPHS[self._precision]], f"openvino {self._version}"
        key = EngineKey(graph, processor(), (0, 0), instructions(), builder, (shape, shape, shape))
        data, notes = cache.read(key)
        if data is not None:
            try:
                return self._core.import_model(data, "CPU", self._options)
            except RuntimeError as error:
                notes = cache.discard(key, _tidy(error))
        compiled = self._compile(shape)
        if self._kept < SHAPES:  # a folder of pictures of all sizes must not fill the disk
            self._kept += 1
            notes += cache.write(key, compiled.export_model().getvalue())
        self._notes += notes
        return compiled

    def _compile(self, shape: Shape) -> Any:
        from openvino import frontend  # noqa: PLC0415

        kinds = ("Initialization", "NotImplemented", "OpConversion", "OpValidation", "General")
        failures = tuple(getattr(frontend, f"{kind}Failure") for kind in kinds)  # without a common base class
        try:
            # `Core.read_model` would try a damaged file as every format it knows, and print their errors.
            onnx = frontend.FrontEndManager().load_by_framework("onnx")
            model = onnx.convert(onnx.load(str(self._path)))
            model.reshape({self._info.input.name: list(shape)})
            return self._core.compile_model(model, "CPU", self._options)
        except (RuntimeError, *failures) as error:
            fault = _tidy(error)
            fault += named(self._path, fault)
            raise EngineError(f"{self.name} cannot run: OpenVINO refuses {self._path}: {fault}") from error


@cache
def _core() -> Any:
    """OpenVINO's core, one for the life of the process.

    With its last core OpenVINO unloads its CPU plugin, which frees the stack that it has installed for the
    process's signal handlers: the next signal, such as that of Ctrl-C, would crash the process.
    """
    from openvino import Core  # noqa: PLC0415 (see `open_openvino`)

    return Core()


def open_openvino(
    bundle: Bundle, threads: int, precision: Precision, on_build: OnBuild | None = None
) -> OpenVinoEngine:
    """The bundle's network on OpenVINO, one of `NAMES`; it is compiled once it sees an image.

    Raises:
        EngineError: OpenVINO is not installed.
    """
    name = NAMES[precision]
    try:
        with without_sender():
            import openvino  # noqa: PLC0415 (optional: imported where it is asked for)
    except ImportError as error:
        raise EngineError(
            f"{name} cannot run: openvino does not import ({error}); {hint('openvino')}"
        ) from error
    warn_if_late("openvino")
    return OpenVinoEngine(name, precision, bundle, threads, openvino.__version__)


def _tidy(error: Exception) -> str:
    return " ".join(str(error).split())
