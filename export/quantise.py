"""INT8: a network's graph with quantised convolutions, calibrated on representative frames."""

import copy
import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from torch import nn

from export.graph import to_onnx
from perception.networks.blocks import ConvNormAct
from perception.networks.deployed import Deployed
from perception.networks.efficientnet import EfficientNetLite0


class _Reader(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, images: Sequence[npt.NDArray[np.uint8]]) -> None:
        self._left: Iterator[npt.NDArray[np.uint8]] = iter(images)

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        image = next(self._left, None)
        return None if image is None else {"image": image}


def quantise(deployed: Deployed, images: Sequence[npt.NDArray[np.uint8]]) -> bytes:
    """The serialised INT8 graph of a deployed network, with the inputs and outputs of the float graph.

    Quantise and dequantise nodes (QDQ), weights per channel; Jacob et al., "Quantization and training of
    neural networks for efficient integer-arithmetic-only inference", 2018. Activations are unsigned: that is
    what VNNI multiplies, and signed ones run no faster than float there.

    Args:
        images: uint8 (1, h, w, 3) BGR, h and w as the network will see them.
    """
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser advises a pre-processing that is done here
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        model = to_onnx(type(deployed)(fold_normalisation(deployed.network)))
        source.write_bytes(model)
        quantize_static(
            str(source),
            str(target),
            _Reader(images),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            nodes_to_exclude=_exact_nodes(model),
            extra_options={
                "CalibMovingAverage": True
            },  # the mean of the extremes: one odd frame does not rule
        )
        return target.read_bytes()


def _exact_nodes(model: bytes) -> list[str]:
    """The convolution that gives offsets: 256 steps are too coarse for them, and it costs next to nothing."""
    nodes = onnx.load_from_string(model).graph.node
    return [node.name for node in nodes if "network.instances.maps.weight" in node.input]


def fold_normalisation(network: nn.Module) -> nn.Module:
    """A copy in which each batch normalisation, and the order of the channels, is part of a convolution."""
    folded = copy.deepcopy(network).eval()
    for block in folded.modules():
        if isinstance(block, ConvNormAct):
            convolution, norm = block[0], block[1]
            assert isinstance(convolution, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            block[0] = torch.nn.utils.fusion.fuse_conv_bn_eval(convolution, norm)
            block[1] = nn.Identity()
    for encoder in folded.modules():
        if isinstance(encoder, EfficientNetLite0):
            stem = encoder.stem[0]
            assert isinstance(stem, nn.Conv2d)
            stem.weight = nn.Parameter(stem.weight.flip(1))
            encoder.rgb = False
    return folded
