"""Whether TensorRT takes an exported graph: parsed and built where `tensorrt_rtx` is installed; needs no GPU.

TensorRT for RTX has the parser and, for NVIDIA's consumer GPUs, the builder of TensorRT, as a plain wheel.
"""

import importlib.util

from export.validation import ParityError
from perception.bundle.manifest import InputInfo
from perception.engines.tensorrt_build import build, profile
from perception.errors import EngineError
from perception.training.describe import MULTIPLE


def check_tensorrt(model: bytes, pixels: int, frames: int) -> dict[str, str]:
    """The builder's version and what it made of the graph; empty where it is not installed.

    Args:
        pixels: of the network's input.
        frames: that the network sees at once.

    Raises:
        ParityError: the parser or the builder refuses the graph.
    """
    if importlib.util.find_spec("tensorrt_rtx") is None:
        return {}
    import tensorrt_rtx as trt  # noqa: PLC0415 - optional, and 250 MB

    shapes = profile(InputInfo(multiple=MULTIPLE, pixels=pixels, frames=frames))
    try:
        engine = build(trt, model, shapes)
    except EngineError as error:
        raise ParityError(f"{error}; nothing was written") from error
    size = len(engine) / 2**20
    return {f"tensorrt-rtx {trt.__version__}": f"parses and builds it; the engine has {size:.1f} MiB."}
