"""Engines: one file a runtime, one way in. An engine takes uint8 pixels and gives a bundle's output maps."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from perception.bundle import Bundle
from perception.bundle_info import Precision
from perception.engines import onnx
from perception.errors import BundleError, EngineError

# Two correct runtimes round differently, so a few pixels on the borders between classes may differ.
GOLDEN_SHARE = 0.999


class Engine(Protocol):
    """A network made ready to run. Several threads may call `run` at once.

    Attributes:
        name: such as "onnx-cpu".
        reason: why this engine runs and not another, in one sentence.
        passed_over: why each engine that "auto" tried before this one was not taken, in full.
        precision: of the bundle's graph that it runs.
    """

    name: str
    reason: str
    passed_over: tuple[str, ...]
    precision: Precision

    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        """The output maps, by name, for one image.

        Args:
            image: uint8 (h, w, 3 · frames), BGR, the oldest frame first, h and w multiples of the bundle's
                `input.multiple`.

        Returns:
            The bundle's outputs, without batch axis, such as `labels`: uint8 (h, w) class ids.

        Raises:
            EngineError: the image has another shape or type, or the runtime failed.
        """
        ...


_OPEN: dict[str, Callable[[Bundle, int], Engine]] = {
    "onnx-cuda": onnx.open_cuda,
    "onnx-cpu-int8": onnx.open_cpu_int8,
    "onnx-cpu": onnx.open_cpu,
}
ENGINES = tuple(_OPEN)  # fastest first, as "auto" tries them


def open_engine(bundle: Bundle, engine: str = "auto", threads: int = 0) -> Engine:
    """Make the bundle's network ready on the named engine, or on the first that can run here.

    Args:
        engine: one of `ENGINES`, or "auto".
        threads: CPU threads that one run uses; 0: one for each physical core usable.

    Raises:
        EngineError: the engine is not known or cannot run here; the message says why.
        BundleError: the engine (with "auto", the last that can run) does not reproduce the golden output.
    """
    if threads < 0:
        raise EngineError(f"threads is {threads}: give 0 (one for each core) or more.")
    return _first_that_runs(bundle, threads) if engine == "auto" else _named(bundle, engine, threads)


def check_golden(bundle: Bundle, engine: Engine) -> float:
    """Run the golden input; the least share of values, over the outputs, that come out as they must.

    Raises:
        BundleError: an output differs by more than rounding explains.
    """
    image, expected = bundle.golden(engine.precision)
    found = engine.run(image)
    path, mend = bundle.folder / "golden.npz", "Export the bundle again, or choose another engine."
    shares = []
    for name, wanted in expected.items():
        got = found[name]
        if (got.dtype, got.shape) != (wanted.dtype, wanted.shape):
            raise BundleError(
                f"{path}: {engine.name} gives {name} as {got.dtype} {got.shape}, "
                f"expected {wanted.dtype} {wanted.shape}. {mend}"
            )
        apart = np.abs(got.astype(np.float64) - wanted)
        shares.append(float(np.mean(apart <= bundle.info.outputs[name].tolerance)))
        if shares[-1] < GOLDEN_SHARE:
            raise BundleError(
                f"{path}: {engine.name} reproduces {shares[-1]:.2%} of the values of {name}, "
                f"expected at least {GOLDEN_SHARE:.1%}. {mend}"
            )
    return min(shares)


def _named(bundle: Bundle, engine: str, threads: int) -> Engine:
    if engine not in _OPEN:
        raise EngineError(f"engine {engine!r} is not known: choose auto or one of {', '.join(ENGINES)}.")
    opened = _OPEN[engine](bundle, threads)
    opened.reason = "asked for"
    check_golden(bundle, opened)
    return opened


def _first_that_runs(bundle: Bundle, threads: int) -> Engine:
    refusals: dict[str, EngineError | BundleError] = {}
    for name, opener in _OPEN.items():
        try:
            opened = opener(bundle, threads)
            check_golden(bundle, opened)
        except (EngineError, BundleError) as error:
            refusals[name] = error
        else:
            opened.reason = _reason(refusals)
            opened.passed_over = tuple(map(str, refusals.values()))
            return opened
    # A network that runs and answers wrongly is the bundle's fault; one that does not run is the machine's.
    wrong = [refusal for refusal in refusals.values() if isinstance(refusal, BundleError)]
    if wrong:
        raise wrong[-1]
    raise EngineError("no engine can run here: " + "; ".join(map(str, refusals.values())))


def _reason(refusals: dict[str, EngineError | BundleError]) -> str:
    """That an engine cannot run is usual and said in short; that one answers wrongly is said in full."""
    absent = [name for name, refusal in refusals.items() if isinstance(refusal, EngineError)]
    wrong = [str(refusal) for refusal in refusals.values() if isinstance(refusal, BundleError)]
    fastest = "fastest that runs here" + (f"; not: {', '.join(absent)}" if absent else "")
    return "; ".join([fastest, *wrong])
