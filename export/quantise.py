"""INT8: a network's graph with quantised convolutions, by the ranges that calibration found.

Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only inference",
2018: quantise and dequantise nodes (QDQ), weights per channel.
"""

import copy
import logging
from collections.abc import Collection

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType
from onnxruntime.quantization.calibrate import TensorsData
from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
from onnxruntime.quantization.quant_utils import save_and_reload_model_with_shape_infer
from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry
from torch import nn

from export.cpu_graph import suit_cpu
from export.graph import serialised
from perception.bundle.manifest import Precision
from perception.networks.blocks import ConvNormAct
from perception.networks.efficientnet import EfficientNetLite0
from perception.networks.export_wrapper import Deployed

# The convolution that gives offsets: 256 steps are too coarse for them, and it costs next to nothing.
ALWAYS_EXACT = frozenset({"network.instances.maps"})
CONVOLUTIONS = ("Conv", "ConvTranspose", "Gemm", "MatMul")
# Symmetric, as TensorRT takes it: zero is zero, and biases stay float.
SYMMETRIC = {
    "ActivationSymmetric": True,
    "WeightSymmetric": True,
    "QuantizeBias": False,
    "AddQDQPairToWeight": True,
}


def quantise(
    model: bytes,
    ranges: TensorsData,
    precision: Precision,
    exact: Collection[str] = (),
    only: Collection[str] = (),
) -> bytes:
    """The serialised INT8 graph, with the inputs and outputs of the float32 graph `model`.

    Args:
        model: with folded normalisation; see `fold_normalisation`.
        ranges: of the tensors of that graph.
        precision: INT8 has unsigned activations: that is what VNNI multiplies, and signed ones run no faster
            than float there. SYMMETRIC_INT8 has signed ones.
        exact: layers to leave in float32, in addition to `ALWAYS_EXACT`.
        only: layers to quantise; without any, all.
    """
    logging.getLogger().setLevel(logging.ERROR)  # the quantiser recommends a pre-processing that is done here
    symmetric = precision is Precision.SYMMETRIC_INT8
    proto = save_and_reload_model_with_shape_infer(onnx.load_from_string(model))
    names = layers(model)
    left = {names[layer] for layer in (ALWAYS_EXACT | set(exact)) & names.keys() - set(only)}
    quantiser = QDQQuantizer(
        proto,
        per_channel=True,
        reduce_range=False,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8 if symmetric else QuantType.QUInt8,
        tensors_range=ranges,
        nodes_to_quantize=_with_activations(proto, {names[layer] for layer in only}),
        nodes_to_exclude=_with_activations(proto, left) + _tails(proto),
        op_types_to_quantize=sorted({*QLinearOpsRegistry, *QDQRegistry}),
        extra_options=SYMMETRIC if symmetric else {},
    )
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    result: onnx.ModelProto = quantiser.model.model
    if symmetric:
        _quantise_weights(result)
    else:
        _shield(result, left)
        suit_cpu(result)
    return serialised(result)


def layers(model: bytes) -> dict[str, str]:
    """The layers that convolve or multiply, by their name in torch → the name of their node in the graph."""
    graph = onnx.load_from_string(model).graph
    weights = {tensor.name for tensor in graph.initializer}
    return {
        node.input[1].removesuffix(".weight"): node.name
        for node in graph.node
        if node.op_type in CONVOLUTIONS and node.input[1] in weights
    }


def _with_activations(model: onnx.ModelProto, names: set[str]) -> list[str]:
    """The nodes of those names, and what bounds their values: steps cover only what is left of them."""
    bounded = {output for node in model.graph.node if node.name in names for output in node.output}
    bounding = (node for node in model.graph.node if node.op_type in ("Clip", "Relu"))
    return [*names, *(node.name for node in bounding if node.input[0] in bounded)]


def _tails(model: onnx.ModelProto) -> list[str]:
    """The nodes that no layer comes after: steps there would coarsen the outputs, and save nothing."""
    needed: set[str] = set()
    tails = []
    for node in reversed(model.graph.node):
        if node.op_type in CONVOLUTIONS or needed & set(node.output):
            needed.update(node.input)
        else:
            tails.append(node.name)
    return tails


def _shield(model: onnx.ModelProto, names: Collection[str]) -> None:
    """Keep ONNX Runtime from quantising what shall stay exact.

    Its optimiser (WeightBiasQuantization) rounds the weights of a convolution between quantised ones to steps
    that are the same for all channels, too coarse for some. It leaves out those with a computed bias.
    """
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    shielded = []
    for node in [node for node in graph.node if node.name in names and len(node.input) > 2]:
        bias = numpy_helper.to_array(tensors[node.input[2]])
        scale = np.float32(max(np.abs(bias).max(), 1e-6) / 2**30)
        steps = np.rint(bias.astype(np.float64) / scale).astype(np.int32)
        given = [f"{node.input[2]}.steps", f"{node.input[2]}.scale"]
        graph.initializer.append(numpy_helper.from_array(steps, given[0]))
        graph.initializer.append(numpy_helper.from_array(np.array(scale), given[1]))
        node.input[2] = f"{node.input[2]}.computed"
        shielded.append(helper.make_node("DequantizeLinear", given, [node.input[2]], node.input[2]))
    for node in shielded:
        graph.node.insert(0, node)


def _quantise_weights(model: onnx.ModelProto) -> None:
    """Keep weights as int8, in place of floats that a runtime would quantise on loading."""
    graph = model.graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    done = []
    for node in graph.node:
        if node.op_type != "QuantizeLinear" or len(getattr(tensors.get(node.input[0]), "dims", ())) < 2:
            continue  # TensorRT takes no quantised scalar
        axis = next((a.i for a in node.attribute if a.name == "axis"), 1)
        weight, scale = (numpy_helper.to_array(tensors[name]) for name in node.input[:2])
        if scale.ndim:
            scale = np.expand_dims(scale, [i for i in range(weight.ndim) if i != axis % weight.ndim])
        steps = np.clip(np.rint(weight / scale), -128, 127).astype(np.int8)
        tensors[node.input[0]].CopyFrom(numpy_helper.from_array(steps, node.output[0]))
        done.append(node)
    for node in done:
        graph.node.remove(node)


def fold_normalisation(deployed: Deployed) -> Deployed:
    """A copy in which each batch normalisation, and the order of the channels, is part of a convolution."""
    folded = copy.deepcopy(deployed).eval()
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
