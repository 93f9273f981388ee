"""Whether TensorRT takes an exported graph: parsed and built where `tensorrt_rtx` is installed; needs no GPU.

TensorRT for RTX has the parser and, for NVIDIA's consumer GPUs, the builder of TensorRT, as a plain wheel.
"""

import importlib.util
from typing import Any

from export.gate import ParityError
from perception.input_size import input_size
from perception.training.describe import MULTIPLE

LEAST, MOST = 0.25, 4.0  # times the pixels of the network's input, which an engine must take


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

    logger = _Faults(trt)
    builder = trt.Builder(logger)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(model):
        faults = "; ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
        raise ParityError(f"TensorRT-RTX {trt.__version__} cannot read the graph: {faults}")
    config = builder.create_builder_config()
    image = network.get_input(0)
    if -1 in tuple(image.shape):
        profile = builder.create_optimization_profile()
        sizes = [input_size(3, 4, round(factor * pixels), MULTIPLE) for factor in (LEAST, 1.0, MOST)]
        profile.set_shape(image.name, *((1, *size, 3 * frames) for size in sizes))
        config.add_optimization_profile(profile)
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise ParityError(
            f"TensorRT-RTX {trt.__version__} cannot build the graph: {'; '.join(logger.faults)}"
        )
    size = engine.nbytes / 2**20
    return {f"tensorrt-rtx {trt.__version__}": f"parses and builds it; the engine has {size:.1f} MiB."}


def _Faults(trt: Any) -> Any:  # noqa: N802 - a class, whose base is known only where TensorRT is
    class Faults(trt.ILogger):  # type: ignore[misc]
        """Keeps what the builder complains of, so that it can be said where it is handled."""

        def __init__(self) -> None:
            super().__init__()
            self.faults: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.ERROR, trt.ILogger.Severity.INTERNAL_ERROR):
                self.faults.append(message)

    return Faults()
