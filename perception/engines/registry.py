"""All engines by name, and `open_engine`. An engine takes uint8 pixels and gives a bundle's output maps."""

from collections.abc import Callable
from functools import partial
from importlib import import_module

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.engines import selection
from perception.engines.base import ASKED_FOR, OnBuild, OpenedEngine, Opener, ReadyEngine
from perception.engines.golden import check_golden
from perception.errors import ConfigError, EngineError
from perception.extras import load_plugin, registered


def _late(module: str, function: str) -> Opener:
    """An opener of this package; its module is imported once it is called."""

    def opener(bundle: Bundle, threads: int, precision: Precision, on_build: OnBuild | None) -> ReadyEngine:
        found: Opener = getattr(import_module(f"perception.engines.{module}"), function)
        return found(bundle, threads, precision, on_build)

    return opener


GROUP = "perception.engines"  # entry points of other distributions: functions such as `open_cpu`
# The fastest first, as a rule.
_TABLE: dict[str, tuple[Opener, Precision]] = {
    "tensorrt-int8": (_late("tensorrt", "open_tensorrt"), Precision.SYMMETRIC_INT8),
    "tensorrt-float16": (_late("tensorrt", "open_tensorrt"), Precision.FLOAT16),
    "tensorrt": (_late("tensorrt", "open_tensorrt"), Precision.FLOAT32),
    "onnx-tensorrt-float16": (_late("onnx_gpu", "open_tensorrt"), Precision.FLOAT16),
    "onnx-tensorrt": (_late("onnx_gpu", "open_tensorrt"), Precision.FLOAT32),
    "onnx-cuda-float16": (_late("onnx_gpu", "open_cuda"), Precision.FLOAT16),
    "onnx-cuda": (_late("onnx_gpu", "open_cuda"), Precision.FLOAT32),
    "openvino-int8": (_late("openvino", "open_openvino"), Precision.INT8),
    "openvino": (_late("openvino", "open_openvino"), Precision.FLOAT32),
    "onnx-cpu-int8": (_late("onnx_cpu", "open_cpu"), Precision.INT8),
    "onnx-cpu": (_late("onnx_cpu", "open_cpu"), Precision.FLOAT32),
}
# Never chosen by "auto", as are all engines of entry points. Training knows torch, the running node does not.
FOR_DEVELOPMENT = ("torch",)
ENGINES = (*_TABLE, *FOR_DEVELOPMENT)


def known_engines() -> tuple[str, ...]:
    """The names of all engines, those of other distributions too."""
    return tuple(dict.fromkeys((*ENGINES, *registered(GROUP))))


def open_engine(
    bundle: Bundle, engine: str = "auto", threads: int = 0, on_build: OnBuild | None = None
) -> OpenedEngine:
    """Make the bundle's network ready on the named engine, or on the fastest that runs here.

    Args:
        engine: one of `known_engines`, or "auto": those of `ENGINES` that run here are timed, and the choice
            is remembered; it builds nothing that takes minutes, but takes what is in the cache.
        threads: CPU threads that one run uses; 0: one for each physical core usable.
        on_build: called with what is being built, and the share done, while an engine is built.

    Raises:
        EngineError: the engine is not known or cannot run here; the message says why.
        BundleError: the engine (with "auto", the last that can run) does not reproduce the golden output.
    """
    if threads < 0:
        raise EngineError(f"threads is {threads}: give 0 (one for each core) or more.")
    if engine == "auto":
        openers = {name: partial(_open, bundle, name, threads, partial(_decline, name)) for name in _TABLE}
        return selection.choose(bundle, threads, openers)
    opened = _open(bundle, engine, threads, partial(_building, on_build))
    return OpenedEngine(opened, ASKED_FOR)


def _open(bundle: Bundle, name: str, threads: int, on_build: OnBuild) -> ReadyEngine:
    """The named engine, once it has reproduced the golden output."""
    opener, precision = _TABLE[name] if name in _TABLE else _registered(name)
    if precision not in bundle.precisions:
        raise EngineError(
            f"{name} cannot run: the bundle {bundle.info.name} has no {precision} graph, but "
            f"{', '.join(bundle.precisions)}. Export it again with one, or choose another engine."
        )
    opened = opener(bundle, threads, precision, on_build)
    check_golden(bundle, opened)
    return opened


def _registered(name: str) -> tuple[Opener, Precision]:
    """An engine of an entry point; it runs the graph in the precision that its name ends in, else float32."""
    entry = registered(GROUP).get(name)
    if entry is None and name in FOR_DEVELOPMENT:
        raise EngineError(f"{name} cannot run: perception has no {name} as installed. Install it again.")
    if entry is None:
        known = ", ".join(known_engines())
        raise EngineError(f"engine {name!r} is not known: choose auto or one of {known}.")
    try:
        opener: Opener = load_plugin(entry, f"the engine {name}", Callable)  # type: ignore[call-overload]
    except ConfigError as error:
        raise EngineError(str(error)) from error
    longest_first = sorted(Precision, key=len, reverse=True)
    return opener, next((one for one in longest_first if name.endswith(f"-{one}")), Precision.FLOAT32)


def _building(on_build: OnBuild | None, what: str, share: float) -> None:
    if on_build is not None:
        on_build(what, share)
    selection.forget()  # they were made without this engine


def _decline(name: str, what: str, share: float) -> None:
    raise EngineError(
        f"{name} cannot run yet: {what} takes minutes. Ask for it by name once; from then on auto takes it "
        "where it is the fastest."
    )
