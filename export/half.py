"""Weights kept in 16 bits: half the file, the same graph in float32 once a runtime has loaded it."""

import numpy as np
import onnx
import torch
from torch import nn

KERNEL_AXES = 4  # only the kernels of convolutions are large; normalisation and biases are kept exact


def round_weights(network: nn.Module) -> None:
    """Round the kernels of a network to what float16 holds, so that the graph can keep them exactly."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == KERNEL_AXES:
                parameter.copy_(parameter.half().float())


def keep_in_half(model: bytes) -> bytes:
    """A serialised ONNX graph with its float32 kernels in float16, each cast where it is used.

    Runtimes fold the casts on loading. Weights keep their names.
    """
    proto = onnx.load_from_string(model)
    casts = {}
    for weight in proto.graph.initializer:
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.ndim == KERNEL_AXES:
            weight.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), weight.name))
            casts[weight.name] = f"{weight.name}.float32"
    for node in proto.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = casts.get(name, name)
    for position, (name, exact) in enumerate(casts.items()):
        cast = onnx.helper.make_node("Cast", [name], [exact], f"cast {name}", to=onnx.TensorProto.FLOAT)
        proto.graph.node.insert(position, cast)
    described = [value for value in proto.graph.value_info if value.name in casts]
    for value in described:
        proto.graph.value_info.remove(value)
    onnx.checker.check_model(proto, full_check=True)
    return bytes(proto.SerializeToString())
