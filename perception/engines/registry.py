"""Engines: one file a runtime, one way in. An engine takes uint8 pixels and gives a bundle's output maps."""

from collections.abc import Callable
from functools import partial
from importlib import metadata

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import Precision
from perception.engines import onnx_cpu as onnx
from perception.engines import onnx_gpu, openvino, tensorrt
from perception.engines import selection as choice
from perception.engines.base import Engine, OnBuild, check_image
from perception.engines.golden import check_golden
from perception.errors import EngineError
from perception.extras import explain

__all__ = ["ENGINES", "FOR_DEVELOPMENT", "Engine", "OnBuild", "check_golden", "check_image", "open_engine"]

# An engine of the bundle with a number of CPU threads for one run, in a precision.
Opener = Callable[[Bundle, int, Precision, OnBuild | None], Engine]


def _open_torch(bundle: Bundle, threads: int, precision: Precision, on_build: OnBuild | None) -> Engine:
    """Training knows torch, the running node does not: it is found as other packages' engines would be."""
    entry = next(iter(metadata.entry_points(group="perception.engines", name="torch")), None)
    if entry is None:
        raise EngineError("torch cannot run: perception was installed without it. Install perception again.")
    try:
        opener: Opener = entry.load()
    except ModuleNotFoundError as error:
        raise EngineError(explain(error, "the engine torch")) from error
    return opener(bundle, threads, precision, on_build)


# The fastest first, as a rule.
_TABLE: dict[str, tuple[Opener, Precision]] = {
    "tensorrt-int8": (tensorrt.open_tensorrt, Precision.SYMMETRIC_INT8),
    "tensorrt-float16": (tensorrt.open_tensorrt, Precision.FLOAT16),
    "tensorrt": (tensorrt.open_tensorrt, Precision.FLOAT32),
    "onnx-tensorrt-float16": (onnx_gpu.open_tensorrt, Precision.FLOAT16),
    "onnx-tensorrt": (onnx_gpu.open_tensorrt, Precision.FLOAT32),
    "onnx-cuda-float16": (onnx_gpu.open_cuda, Precision.FLOAT16),
    "onnx-cuda": (onnx_gpu.open_cuda, Precision.FLOAT32),
    "openvino-int8": (openvino.open_openvino, Precision.INT8),
    "openvino": (openvino.open_openvino, Precision.FLOAT32),
    "onnx-cpu-int8": (onnx.open_cpu, Precision.INT8),
    "onnx-cpu": (onnx.open_cpu, Precision.FLOAT32),
    "torch": (_open_torch, Precision.FLOAT32),
}
ENGINES = tuple(_TABLE)
FOR_DEVELOPMENT = ("torch",)  # never chosen by "auto"


def open_engine(
    bundle: Bundle, engine: str = "auto", threads: int = 0, on_build: OnBuild | None = None
) -> Engine:
    """Make the bundle's network ready on the named engine, or on the fastest that runs here.

    Args:
        engine: one of `ENGINES`, or "auto": those that run here are timed, and the choice is remembered; it
            builds nothing that takes minutes, but takes what was built before.
        threads: CPU threads that one run uses; 0: one for each physical core usable.
        on_build: told what is being built, and the share done, while an engine is built.

    Raises:
        EngineError: the engine is not known or cannot run here; the message says why.
        BundleError: the engine (with "auto", the last that can run) does not reproduce the golden output.
    """
    if threads < 0:
        raise EngineError(f"threads is {threads}: give 0 (one for each core) or more.")
    if engine == "auto":
        names = (name for name in ENGINES if name not in FOR_DEVELOPMENT)
        openers = {name: partial(_open, bundle, name, threads, partial(_decline, name)) for name in names}
        return choice.choose(bundle, threads, openers)
    opened = _open(bundle, engine, threads, partial(_building, on_build))
    opened.reason = "asked for"
    return opened


def _open(bundle: Bundle, name: str, threads: int, on_build: OnBuild) -> Engine:
    """The named engine, once it has reproduced the golden output."""
    if name not in _TABLE:
        raise EngineError(f"engine {name!r} is not known: choose auto or one of {', '.join(ENGINES)}.")
    opener, precision = _TABLE[name]
    if precision not in bundle.precisions:
        raise EngineError(
            f"{name} cannot run: the bundle {bundle.info.name} has no {precision} graph, but "
            f"{', '.join(bundle.precisions)}. Export it again with one, or choose another engine."
        )
    opened = opener(bundle, threads, precision, on_build)
    check_golden(bundle, opened)
    return opened


def _building(on_build: OnBuild | None, what: str, share: float) -> None:
    if on_build is not None:
        on_build(what, share)
    choice.forget()  # what was chosen while this engine was not there


def _decline(name: str, what: str, share: float) -> None:
    raise EngineError(
        f"{name} cannot run yet: {what} takes minutes. Ask for it by name once; from then on auto takes it "
        "where it is the fastest."
    )
