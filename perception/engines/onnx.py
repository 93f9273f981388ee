"""ONNX Runtime, on the CPU and on NVIDIA GPUs."""

import contextlib
import io
import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.bundle import Bundle
from perception.bundle_info import Precision
from perception.errors import EngineError

_CUDA_MEND = (
    "(it needs an NVIDIA driver, and onnxruntime-gpu in place of onnxruntime: "
    "pip uninstall onnxruntime && pip install 'perception[gpu]')"
)
_SILENT = 4  # ONNX Runtime's log level "fatal": what it would print below that, it raises too


class OnnxEngine:
    """An ONNX Runtime session; ONNX Runtime allows concurrent runs of one session."""

    def __init__(
        self,
        name: str,
        precision: Precision,
        session: Any,
        bundle: Bundle,
        errors: tuple[type[Exception], ...],
    ) -> None:
        self.name = name
        self.precision = precision
        self.reason = ""
        self.passed_over: tuple[str, ...] = ()
        self._session = session
        self._input = bundle.info.input
        self._outputs = list(bundle.info.outputs)
        self._errors = errors

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """The output maps for uint8 (h, w, 3 · frames) BGR, by name, without batch axis; see `Engine.run`."""
        multiple, channels = self._input.multiple, 3 * self._input.frames
        sides_fit = image.ndim == 3 and not any(side % multiple for side in image.shape[:2])
        if image.dtype != np.uint8 or not sides_fit or image.shape[2] != channels or image.size == 0:
            raise EngineError(
                f"{self.name}: the image is {image.dtype} {image.shape}, the network takes uint8 "
                f"(h, w, {channels}) with h and w multiples of {multiple}. Use Perceiver.prepare."
            )
        try:
            maps = self._session.run(self._outputs, {self._input.name: image[None]})
        except self._errors as error:
            raise EngineError(f"{self.name}: the run failed: {error}") from error
        return {name: array[0] for name, array in zip(self._outputs, maps, strict=True)}


def open_cpu(bundle: Bundle, threads: int) -> OnnxEngine:
    """The bundle's network on the CPU.

    Raises:
        EngineError: ONNX Runtime is not installed, or refuses the graph.
    """
    return _open("onnx-cpu", ["CPUExecutionProvider"], bundle, Precision.FLOAT32, threads)


def open_cpu_int8(bundle: Bundle, threads: int) -> OnnxEngine:
    """The bundle's quantised network on the CPU.

    Raises:
        EngineError: the bundle has none, ONNX Runtime is not installed, or refuses the graph.
    """
    if Precision.INT8 not in bundle.precisions:
        raise EngineError(
            f"onnx-cpu-int8 cannot run: the bundle {bundle.info.name} has no quantised network; "
            "export it with --calibrate, or choose onnx-cpu."
        )
    return _open("onnx-cpu-int8", ["CPUExecutionProvider"], bundle, Precision.INT8, threads)


def open_cuda(bundle: Bundle, threads: int) -> OnnxEngine:
    """The bundle's network on the first NVIDIA GPU.

    Raises:
        EngineError: ONNX Runtime has no CUDA here, the GPU's driver or libraries are missing, or it
            refuses the graph.
    """
    runtime = _runtime("onnx-cuda")
    if "CUDAExecutionProvider" not in runtime.get_available_providers():
        raise EngineError(
            f"onnx-cuda cannot run: onnxruntime {runtime.__version__} as installed has no CUDA {_CUDA_MEND}"
        )
    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it misses; `_open` finds that out too
        runtime.preload_dlls()
    # The heuristic choice of algorithms keeps label maps the same from run to run; a timed one does not.
    cuda = ("CUDAExecutionProvider", {"cudnn_conv_algo_search": "HEURISTIC", "use_tf32": "0"})
    return _open("onnx-cuda", [cuda, "CPUExecutionProvider"], bundle, Precision.FLOAT32, threads)


def physical_cores() -> int:
    """Physical cores that this process may run on."""
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    siblings = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    files = {cpu: Path(siblings.format(cpu)) for cpu in os.sched_getaffinity(0)}
    return len({file.read_text() if file.exists() else str(cpu) for cpu, file in files.items()})


def _open(name: str, providers: list[Any], bundle: Bundle, precision: Precision, threads: int) -> OnnxEngine:
    model = bundle.graph(precision)
    runtime = _runtime(name)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or physical_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    # Threads that spin while they wait take the time of the stages that run beside the network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    errors = _errors()
    try:
        session = runtime.InferenceSession(str(model), options, providers=providers, enable_fallback=0)
    except errors as error:
        raise EngineError(f"{name} cannot run: ONNX Runtime refuses {model}: {error}") from error
    wanted = providers[0] if isinstance(providers[0], str) else providers[0][0]
    # A provider whose libraries do not load raises nothing: the session just runs without it.
    if wanted not in session.get_providers():
        raise EngineError(
            f"{name} cannot run: {wanted} did not start and would leave the work to "
            f"{', '.join(session.get_providers())} {_CUDA_MEND}"
        )
    return OnnxEngine(name, precision, session, bundle, errors)


def _runtime(name: str) -> ModuleType:
    try:
        import onnxruntime  # noqa: PLC0415 (the biggest import of all: only where an engine is opened)
    except ImportError as error:
        raise EngineError(
            f"{name} cannot run: onnxruntime does not import ({error}). "
            "Install it: pip install 'perception[cpu]', or [gpu] for NVIDIA GPUs."
        ) from error
    onnxruntime.set_default_logger_severity(_SILENT)
    return onnxruntime  # type: ignore[no-any-return]


def _errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: its own exceptions have no base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)
