"""A network's graph in float16, for GPUs: half the memory to move, and their matrix units."""

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from export.graph import serialised

# These have sums or powers beyond the range of float16, choose by differences below its steps, or make
# numbers without any input, which float32 nodes may need.
EXACT = {
    "ConstantOfShape", "CumSum", "Exp", "GridSample", "InstanceNormalization", "Log", "Pow", "Range",
    "ReduceMean", "ReduceSum", "Softmax", "Sqrt", "TopK",
}  # fmt: skip
# All that takes time, and what may come between. Coordinates of boxes, in pixels, are too fine for float16
# and do not pass through these.
CONVOLVING = {"Conv", "ConvTranspose", "Gemm"}
FOLLOWING = {"AveragePool", "BatchNormalization", "Clip", "MaxPool", "Relu"}
SUFFIX: dict[int, str] = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16"}


def to_float16(model: bytes) -> bytes:
    """The serialised graph in float16, with the inputs and outputs of the float32 graph `model`.

    Args:
        model: without batch normalisation where possible: float16 does not hold its small variances.
    """
    proto = onnx.shape_inference.infer_shapes(onnx.load_from_string(model), strict_mode=True)
    graph = proto.graph
    boxes = any(output.name == "boxes" for output in graph.output)
    described = [*graph.value_info, *graph.output]
    floats = {one.name for one in described if one.type.tensor_type.elem_type == TensorProto.FLOAT}
    weights = {one.name: one for one in graph.initializer if one.data_type == TensorProto.FLOAT}
    given = {output.name for output in graph.output}
    places = _places(graph)
    types: dict[str, int] = {}  # what each float tensor is computed in
    casts: dict[tuple[str, int], str] = {}  # the name of the same tensor in that type
    nodes: list[onnx.NodeProto] = []

    def cast(name: str, to: int) -> str:
        """The name of a tensor in that type, which is made where there is none yet."""
        if types.get(name, TensorProto.FLOAT) == to:
            return name
        if (name, to) not in casts:
            casts[name, to] = f"{name}.{SUFFIX[to]}"
            if name in weights:
                values = numpy_helper.to_array(weights[name]).astype(np.float16)
                graph.initializer.append(numpy_helper.from_array(values, casts[name, to]))
            else:
                nodes.append(helper.make_node("Cast", [name], [casts[name, to]], f"cast {name}", to=to))
        return casts[name, to]

    for node in list(graph.node):
        lower = node.op_type not in EXACT and node.output[0] not in places
        if boxes:
            follows = node.op_type in FOLLOWING and types.get(node.input[0]) == TensorProto.FLOAT16
            lower = node.op_type in CONVOLVING or follows
        for i, name in enumerate(node.input):
            if name in floats or name in weights:
                fixed = node.op_type == "Resize" and i > 0  # its scales are float32 in any precision
                node.input[i] = cast(name, TensorProto.FLOAT16 if lower and not fixed else TensorProto.FLOAT)
        if node.op_type == "Cast" and lower:
            for attribute in node.attribute:
                if attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                    attribute.i = TensorProto.FLOAT16
        nodes.append(node)
        for i, name in enumerate(node.output):
            if name in floats and lower and name in given:
                node.output[i] = casts[name, TensorProto.FLOAT16] = f"{name}.float16"
                back = helper.make_node(
                    "Cast", [node.output[i]], [name], f"cast {name}", to=TensorProto.FLOAT
                )
                nodes.append(back)
            elif name in floats and lower:
                types[name] = TensorProto.FLOAT16
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    return serialised(proto)


def _places(graph: onnx.GraphProto) -> set[str]:
    """What makes the places at which pictures are sampled: far from 0, float16 tells whole pixels apart."""
    makers = {output: node for node in graph.node for output in node.output}
    found: set[str] = set()
    todo = [node.input[1] for node in graph.node if node.op_type == "GridSample"]
    while todo:
        maker = makers.get(todo.pop())
        if maker is not None and maker.op_type not in CONVOLVING | {"Resize"}:
            found.update(maker.output)
            todo.extend(maker.input)
    return found


KERNEL_AXES = 4  # only the kernels of convolutions are large; normalisation and biases are kept exact


def round_weights(network: nn.Module) -> None:
    """Round the kernels of a network to what float16 holds, so that the graph can keep them exactly."""
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == KERNEL_AXES:
                parameter.copy_(parameter.half().float())


def store_as_float16(model: bytes) -> bytes:
    """A serialised ONNX graph with its float32 kernels in float16, each cast where it is used.

    Runtimes fold the casts on loading. Weights keep their names.
    """
    proto = onnx.load_from_string(model)
    casts = {}
    for weight in proto.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.ndim == KERNEL_AXES:
            weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), weight.name))
            casts[weight.name] = f"{weight.name}.float32"
    for node in proto.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = casts.get(name, name)
    for position, (name, exact) in enumerate(casts.items()):
        cast = helper.make_node("Cast", [name], [exact], f"cast {name}", to=TensorProto.FLOAT)
        proto.graph.node.insert(position, cast)
    for value in [value for value in proto.graph.value_info if value.name in casts]:
        proto.graph.value_info.remove(value)
    return serialised(proto)
