"""ONNX Runtime on the CPU, and what its engines on GPUs share with that."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.engines.base import OnBuild, check_image
from perception.engines.machine import physical_cores
from perception.engines.onnx_file import named
from perception.errors import EngineError

CPU = "CPUExecutionProvider"
BUILDS = ("onnxruntime", "onnxruntime-gpu")  # distributions of the one module
NAMES = {Precision.FLOAT32: "onnx-cpu", Precision.INT8: "onnx-cpu-int8"}
_SILENT = 4  # ONNX Runtime's log level "fatal": what it would print below that, it raises too


class OnnxEngine:
    """An ONNX Runtime session on the CPU; ONNX Runtime allows concurrent runs of one session."""

    def __init__(self, name: str, precision: Precision, session: Any, bundle: Bundle) -> None:
        self.name = name
        self.precision = precision
        self.reason = ""
        self.passed_over: tuple[str, ...] = ()
        self.notes: tuple[str, ...] = ()
        self._session = session
        self._input = bundle.info.input
        self._outputs = list(bundle.info.outputs)
        self._errors = errors()

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """The output maps for uint8 (h, w, 3 · frames) BGR, by name, without batch axis; see `Engine.run`."""
        check_image(self.name, self._input, image)
        try:
            maps = self._session.run(self._outputs, {self._input.name: image[None]})
        except self._errors as error:
            raise EngineError(f"{self.name}: the run failed: {error}") from error
        return {name: array[0] for name, array in zip(self._outputs, maps, strict=True)}


def open_cpu(
    bundle: Bundle, threads: int, precision: Precision, on_build: OnBuild | None = None
) -> OnnxEngine:
    """The bundle's network on the CPU, one of `NAMES`.

    Raises:
        EngineError: ONNX Runtime is not installed, or refuses the graph.
    """
    name = NAMES[precision]
    session = open_session(name, bundle.graph(precision), {CPU: {}}, threads)
    return OnnxEngine(name, precision, session, bundle)


def open_session(
    name: str, model: Path, providers: Mapping[str, Mapping[str, str]], threads: int, mend: str = ""
) -> Any:
    """A session on the first of the providers; what that cannot run, the others may.

    Args:
        name: of the engine.
        providers: ONNX Runtime's, with their options.
        mend: what to do where the first provider does not start.

    Raises:
        EngineError: ONNX Runtime is not installed or refuses the graph, or the provider did not start.
    """
    runtime = load_runtime(name)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or physical_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    # Threads that spin while they wait take the time of the stages that run beside the network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without VNNI, x86 sums products of INT8 in 16 bits, which overflow: 4 % of the labels come out wrong.
    # With this entry ONNX Runtime computes in unsigned bytes there, and gives the labels that VNNI gives.
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    try:
        session = runtime.InferenceSession(
            str(model), options, providers=list(providers.items()), enable_fallback=0
        )
    except errors() as error:
        raise EngineError(
            f"{name} cannot run: ONNX Runtime refuses {model}: {error}{named(model, str(error))}"
        ) from error
    check_started(name, next(iter(providers)), session.get_providers(), mend)
    return session


def check_started(name: str, wanted: str, started: Sequence[str], mend: str) -> None:
    """A provider whose libraries do not load raises nothing: the session just runs without it.

    Raises:
        EngineError: the provider that was wanted is not among those that started.
    """
    if wanted not in started:
        raise EngineError(
            f"{name} cannot run: {wanted} did not start and would leave the work to {', '.join(started)}; "
            f"{mixed_builds() or mend}"
        )


def mixed_builds() -> str:
    """What to do where several builds of ONNX Runtime are installed, which overwrite each other; else ""."""
    found = [name for name in BUILDS if any(metadata.distributions(name=name))]
    if len(found) < 2:
        return ""
    return (
        f"{' and '.join(found)} are both installed and overwrite each other: "
        f"pip uninstall {' '.join(found)}, then install perception again, with [cpu] or with [gpu]"
    )


def load_runtime(name: str) -> ModuleType:
    """The module `onnxruntime`.

    Raises:
        EngineError: it does not import.
    """
    try:
        import onnxruntime  # noqa: PLC0415 (the biggest import of all: only where an engine is opened)
    except ImportError as error:
        mend = "Install it: pip install 'perception[cpu]', or [gpu] for NVIDIA GPUs."
        raise EngineError(
            f"{name} cannot run: onnxruntime does not import ({error}). {mixed_builds() or mend}"
        ) from error
    onnxruntime.set_default_logger_severity(_SILENT)
    return onnxruntime  # type: ignore[no-any-return]


def errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: its own exceptions have no base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)
