"""ONNX Runtime on the CPU, and what it shares with the engines on GPUs."""

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

import numpy.typing as npt

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import BundleDescription, Precision
from perception.engines.base import EngineInfo, OnBuild, check_image
from perception.engines.cache import EngineCache, EngineKey, Notes, cache_folder
from perception.engines.machine import has_vnni, instructions, physical_cores, processor
from perception.engines.onnx_file import named
from perception.engines.telemetry import warn_if_late
from perception.errors import EngineError
from perception.extras import hint
from perception.types import Image

CPU = "CPUExecutionProvider"
BUILDS = ("onnxruntime", "onnxruntime-gpu")  # distributions of the one module
NAMES = {Precision.FLOAT32: "onnx-cpu", Precision.INT8: "onnx-cpu-int8"}
_SILENT = 4  # ONNX Runtime's log level "fatal": all that it would print below that it raises as well


class OnnxEngine:
    """An ONNX Runtime session on the CPU; ONNX Runtime allows concurrent runs of one session."""

    def __init__(self, info: EngineInfo, session: Any, bundle: BundleDescription | None = None) -> None:
        """Args: bundle: what is checked and asked for; None: any image, and all outputs."""
        self.name, self.info = info.name, info
        self._session = session
        self._input = bundle.input if bundle else None
        self._name = session.get_inputs()[0].name
        self._outputs = list(bundle.outputs) if bundle else [one.name for one in session.get_outputs()]
        self._errors = errors()

    def run(self, image: Image) -> dict[str, npt.NDArray[Any]]:
        """The output maps for uint8 (h, w, 3 · frames) BGR, by name, without batch axis; see `Engine.run`."""
        if self._input is not None:
            check_image(self.name, self._input, image)
        try:
            maps = self._session.run(self._outputs, {self._name: image[None]})
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
    session, notes = _open_optimised(name, bundle, precision, threads)
    return OnnxEngine(EngineInfo(name, precision, notes=notes), session, bundle.info)


def _open_optimised(name: str, bundle: Bundle, precision: Precision, threads: int) -> tuple[Any, Notes]:
    """A session of the graph as ONNX Runtime has optimised it for this CPU, kept from the first start on.

    Optimising takes four fifths of the time to open it: 150 of 186 ms for the drive network in INT8.
    """
    version = load_runtime(name).__version__
    cache, graph = EngineCache(cache_folder() / "onnxruntime"), bundle.graph(precision)
    runtime = f"onnxruntime {version}, {'signed' if has_vnni() else 'unsigned'} weights"
    key = EngineKey(bundle.info.files[graph.name], processor(), (0, 0), instructions(), runtime, ((), (), ()))
    kept, notes = cache.read(key)
    if kept is not None:
        try:
            return open_session(name, kept, {CPU: {}}, threads, optimised=True), notes
        except EngineError as error:
            notes = cache.discard(key, str(error))
    try:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "optimised"
            session = open_session(name, graph, {CPU: {}}, threads, keep=path)
            return session, (*notes, *cache.write(key, path.read_bytes()))
    except (OSError, EngineError) as error:
        notes = (*notes, f"the optimised graph is not kept for the next start: {error}")
        return open_session(name, graph, {CPU: {}}, threads), notes


def open_graph(graph: bytes, precision: Precision = Precision.FLOAT32) -> OnnxEngine:
    """A graph that is in no bundle yet, on the CPU.

    Raises:
        EngineError: ONNX Runtime is not installed, or refuses the graph.
    """
    # Leave in float32 what is not quantised, as TensorRT does, which the CPU stands in for here.
    disabled = ("WeightBiasQuantization",) if precision is Precision.SYMMETRIC_INT8 else ()
    session = open_session("onnx-cpu", graph, {CPU: {}}, 0, disabled=disabled)
    return OnnxEngine(EngineInfo("onnx-cpu", precision, "the graph is in no bundle yet"), session)


def open_session(
    name: str,
    model: Path | bytes,
    providers: Mapping[str, Mapping[str, str]],
    threads: int,
    remedy: str = "",
    disabled: Sequence[str] = (),
    optimised: bool = False,
    keep: Path | None = None,
) -> Any:
    """A session on the first of the providers; what that cannot run, the others may.

    Args:
        name: of the engine.
        model: an ONNX file, or what is in one.
        providers: ONNX Runtime's, with their options.
        remedy: what to do where the first provider does not start.
        disabled: ONNX Runtime's optimisers that are left out.
        optimised: the model is what `keep` once wrote.
        keep: where the graph is written as it was optimised for this CPU, in ONNX Runtime's own format.

    Raises:
        EngineError: ONNX Runtime is not installed or refuses the graph, or the provider did not start.
    """
    runtime = load_runtime(name)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads or physical_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = _SILENT
    # Threads that spin while they wait take the time of the stages that run next to the network.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without VNNI, x86 sums products of INT8 in 16 bits, which overflow: 4 % of the labels come out wrong.
    # With this entry ONNX Runtime computes in unsigned bytes, and gives the labels that VNNI gives. It would
    # with VNNI, too, and take twice the time.
    if not has_vnni():
        options.add_session_config_entry("session.x64quantprecision", "1")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    if optimised:
        options.add_session_config_entry("session.load_model_format", "ORT")
        options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if keep is not None:
        options.add_session_config_entry("session.save_model_format", "ORT")
        options.optimized_model_filepath = str(keep)
    try:
        session = runtime.InferenceSession(
            str(model) if isinstance(model, Path) else model,
            options,
            providers=list(providers.items()),
            disabled_optimizers=list(disabled),
            enable_fallback=0,
        )
    except errors() as error:
        what = (
            f"{model}: {error}{named(model, str(error))}"
            if isinstance(model, Path)
            else f"the graph: {error}"
        )
        raise EngineError(f"{name} cannot run: ONNX Runtime refuses {what}") from error
    check_started(name, next(iter(providers)), session.get_providers(), remedy)
    return session


def check_started(name: str, wanted: str, started: Sequence[str], remedy: str) -> None:
    """Check the session's providers: one that cannot load its libraries is left out without an error.

    Raises:
        EngineError: the wanted provider is not among those that started.
    """
    if wanted not in started:
        raise EngineError(
            f"{name} cannot run: {wanted} did not start and would leave the work to {', '.join(started)}; "
            f"{mixed_builds() or remedy}"
        )


def mixed_builds() -> str:
    """What to do where several builds of ONNX Runtime are installed, which overwrite each other; else ""."""
    found = [name for name in BUILDS if any(metadata.distributions(name=name))]
    if len(found) < 2:
        return ""
    return (
        f"{' and '.join(found)} are both installed and overwrite each other: "
        f"pip uninstall {' '.join(found)}, then install perception again with its extra [cpu] or [gpu]"
    )


def load_runtime(name: str) -> ModuleType:
    """The module `onnxruntime`.

    Raises:
        EngineError: it does not import.
    """
    try:
        import onnxruntime  # noqa: PLC0415 (the biggest import of all: only where an engine is opened)
    except ImportError as error:
        remedy = mixed_builds() or hint("cpu", ", or [gpu] for NVIDIA GPUs")
        raise EngineError(f"{name} cannot run: onnxruntime does not import ({error}); {remedy}") from error
    warn_if_late("onnxruntime")
    onnxruntime.set_default_logger_severity(_SILENT)
    return onnxruntime  # type: ignore[no-any-return]


def errors() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises: its exceptions have no common base class."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: PLC0415

    own = [kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*own, RuntimeError, ValueError)
