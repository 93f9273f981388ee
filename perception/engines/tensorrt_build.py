"""From an ONNX graph to a TensorRT engine, with the parser's and builder's errors, progress, and Ctrl-C.

Serves `tensorrt` and `tensorrt_rtx`, which have the same Python API; the latter needs no GPU for this.
"""

from collections.abc import Callable
from concurrent.futures import wait
from threading import Lock
from types import ModuleType
from typing import Any

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import InputInfo
from perception.engines.background import call_in_background
from perception.engines.buffers import Shape
from perception.engines.onnx_file import opset
from perception.errors import EngineError
from perception.resample import input_size

Shapes = tuple[Shape, Shape, Shape]

LEAST, MOST = 0.25, 4.0  # times the pixels of the network's input: an engine takes that range
OPSETS = range(9, 26)  # that NVIDIA's parser is documented for; it reads others as if they were one of these
_POLL_S = 0.2


def profile(info: InputInfo, golden: Shape | None = None, any_smaller: bool = False) -> Shapes:
    """The least, the usual and the greatest shape (1, h, w, 3 · frames) that an engine must take.

    Args:
        golden: shape (h, w, 3 · frames) of an input that must be among them, whatever its size.
        any_smaller: also the smallest ones, which a network that gives a picture sees of small frames.
    """
    if info.size is not None:
        sizes = [info.size] * 3
    else:
        sizes = [input_size(9, 16, round(share * info.pixels), info.multiple) for share in (LEAST, 1.0, MOST)]
        if any_smaller:
            sizes[0] = (info.multiple, info.multiple)
        if golden is not None:
            sizes[0] = (min(sizes[0][0], golden[0]), min(sizes[0][1], golden[1]))
            sizes[2] = (max(sizes[2][0], golden[0]), max(sizes[2][1], golden[1]))
    least, usual, greatest = ((1, *size, 3 * info.frames) for size in sizes)
    return least, usual, greatest


def bundle_profile(bundle: Bundle) -> Shapes:
    """The profile of a bundle's engines: whatever a `Perceiver` shows them of frames of a usual aspect."""
    return profile(bundle.info.input, bundle.golden()[0].shape, "picture" in bundle.info.outputs)


def build(
    trt: ModuleType, graph: bytes, shapes: Shapes, on_share: Callable[[float], None] = lambda share: None
) -> bytes:
    """The engine, serialised.

    Args:
        trt: the module `tensorrt` or `tensorrt_rtx`.
        graph: the ONNX file's.
        shapes: what `profile` gives.
        on_share: called with the share done, 0 to 1, again and again; an error in it ends the building.

    Raises:
        EngineError: the graph cannot be built; the message names each layer that is at fault.
    """
    progress = _progress(trt)
    # In its own thread: this one handles a signal such as Ctrl-C at once, the builder never does.
    building = call_in_background(lambda: _build(trt, graph, shapes, progress), "builder")
    try:
        on_share(0.0)
        while wait([building.future], _POLL_S).not_done:
            on_share(progress.share)
    except BaseException:
        progress.stopped = True
        raise
    finally:
        building.thread.join()
    return building.future.result()


def logger(trt: Any) -> Any:
    """An `ILogger` that keeps TensorRT's errors until `taken`, instead of printing them."""

    class Logger(trt.ILogger):  # type: ignore[misc] # the base is known only where TensorRT is
        def __init__(self) -> None:
            super().__init__()
            self._faults: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self._faults.append(" ".join(message.split()))

        def taken(self) -> str:
            faults, self._faults = self._faults, []
            return "; ".join(faults) or "it does not say why"

    return Logger()


def _build(trt: ModuleType, graph: bytes, shapes: Shapes, progress: Any) -> bytes:
    name, log = f"{trt.__name__} {trt.__version__}", logger(trt)
    _check_opset(name, graph)
    builder = trt.Builder(log)
    # TensorRT 11 knows no other networks and ignores the flag, 10 wants it.
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, log)
    if not parser.parse(graph) or not network.num_inputs:
        errors = [parser.get_error(number) for number in range(parser.num_errors)]
        faults = "; ".join(dict.fromkeys(map(_fault, errors))) or "it is empty"
        raise EngineError(f"{name} cannot read the graph: {faults}")
    config = builder.create_builder_config()
    config.progress_monitor = progress
    # Else float32 is multiplied with 10 bits for the mantissa, and is no float32 any more.
    config.clear_flag(trt.BuilderFlag.TF32)
    image = network.get_input(0)
    if -1 in tuple(image.shape):
        sizes = builder.create_optimization_profile()
        sizes.set_shape(image.name, *shapes)
        config.add_optimization_profile(sizes)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise EngineError(f"{name} cannot build the graph: {log.taken()}")
    return bytes(engine)


def _check_opset(name: str, graph: bytes) -> None:
    try:
        version = opset(graph)
    except ValueError as error:
        raise EngineError(f"{name} cannot read the graph: {error}") from error
    if version is not None and version not in OPSETS:
        raise EngineError(
            f"{name} cannot read the graph: it is of ONNX opset {version}, expected {OPSETS[0]} to "
            f"{OPSETS[-1]}; export the bundle again"
        )


def _fault(error: Any) -> str:
    where = f"{error.node_operator()} in the layer {error.node_name()!r}: " if error.node_operator() else ""
    return f"{where}{error.code().name}, {' '.join(error.desc().split())}"


def _progress(trt: Any) -> Any:
    """An `IProgressMonitor`: `share` is what is done, 0 to 1; once it is `stopped`, the builder stops."""

    class Progress(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.share = 0.0
            self.stopped = False
            self._phases: dict[str, list[Any]] = {}  # those that run: parent, steps, steps done
            self._lock = Lock()  # the builder has threads of its own

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            with self._lock:
                self._phases[phase] = [parent, steps, 0]

        def step_complete(self, phase: str, step: int) -> bool:
            with self._lock:
                if phase in self._phases:
                    self._phases[phase][2] = step + 1
                # Phases of a phase are a part of its next step; the share must not fall between the end
                # of one and the step of its parent.
                self.share = max(self.share, min(1.0, self._done(None)))
            return not self.stopped

        def phase_finish(self, phase: str) -> None:
            with self._lock:
                self._phases.pop(phase, None)

        def _done(self, parent: str | None) -> float:
            """The share done of the phases of one phase, or of all, in terms of its steps."""
            running = [(name, *rest[1:]) for name, rest in self._phases.items() if rest[0] == parent]
            shares = ((done + min(1.0, self._done(name))) / steps for name, steps, done in running)
            return max(shares, default=0.0)

    return Progress()
