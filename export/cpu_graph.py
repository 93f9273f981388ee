"""The INT8 graph as the kernels of ONNX Runtime on CPUs like it: the same values, computed in other places.

On the drive network at 576×320, one thread of an AMD EPYC without VNNI: sub-pixel convolution 2.2 → 0.5 ms,
enlarging the labels 1.2 → 0.7 ms; of an Intel Xeon with AMX: from the picture to the first maps 2.3 → 1.6 ms.
"""

from collections import defaultdict
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# What moves ids without computing with them.
MOVING = {"Concat", "Reshape", "Slice", "Unsqueeze", "Where"}


class _Graph:
    """Who makes and who takes each tensor, and which are outputs."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.graph = model.graph
        self.tensors = {tensor.name: tensor for tensor in self.graph.initializer}
        self.given = {output.name for output in self.graph.output}
        self.maker = {name: node for node in self.graph.node for name in node.output}
        self.takers: defaultdict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in self.graph.node:
            for name in node.input:
                self.takers[name].append(node)

    def before(self, node: onnx.NodeProto, kind: str) -> onnx.NodeProto | None:
        """The node of that kind that makes the input of this one, and nothing else's."""
        found = self.maker.get(node.input[0])
        alone = found is not None and found.op_type == kind and self.takers[node.input[0]] == [node]
        return found if alone else None

    def after(self, node: onnx.NodeProto, kind: str) -> onnx.NodeProto | None:
        """The node of that kind that takes the output of this one, alone."""
        takers = self.takers[node.output[0]]
        return takers[0] if len(takers) == 1 and takers[0].op_type == kind else None

    def steps(self, node: onnx.NodeProto) -> list[float]:
        """Scale and zero point."""
        return [float(numpy_helper.to_array(self.tensors[name])) for name in node.input[1:3]]

    def reorder(self, name: str, order: list[int]) -> None:
        """Of a weight, or what it is made of by QuantizeLinear and its like: the first axis."""
        if name in self.maker:
            for given in self.maker[name].input:
                self.reorder(given, order)
        elif self.tensors[name].dims:
            values = numpy_helper.to_array(self.tensors[name])[order]
            self.tensors[name].CopyFrom(numpy_helper.from_array(values, name))


def suit_cpu(model: onnx.ModelProto) -> None:
    """Rewrite a graph with quantise and dequantise nodes, in place."""
    graph = _Graph(model)
    for node in list(graph.takers["image"]):
        _take_bytes(graph, node)
    for number, node in enumerate([one for one in graph.graph.node if one.op_type == "DepthToSpace"]):
        _shuffle_bytes(graph, node, f"shuffle_{number}")
    for node in graph.graph.node:
        cast = graph.after(node, "Cast") if node.op_type == "ArgMax" else None
        if cast is not None and _only_moves(graph, cast.output[0]):
            _to(cast).i = TensorProto.UINT8
    del graph.graph.value_info[:]  # types and orders of the old graph


def _take_bytes(graph: _Graph, cast: onnx.NodeProto) -> None:
    """Let the first convolution take the picture's own bytes: they are steps of 1 / 128 around 127 already.

    Made float, centred, and rounded to other steps, they cost a third more, and up to half a step.
    """
    nodes = [cast]
    for kind in ("Transpose", "Sub", "Div", "QuantizeLinear", "DequantizeLinear", "Conv"):
        following = graph.after(nodes[-1], kind)
        if following is None:
            return
        nodes.append(following)
    _, moved, shift, scale, steps, taken, convolution = nodes
    zero, unit = (float(numpy_helper.to_array(graph.tensors[node.input[1]])) for node in (shift, scale))
    weight, bias = (graph.maker[name] for name in convolution.input[1:])
    new = numpy_helper.to_array(graph.tensors[weight.input[1]]) / np.float32(unit)  # of the products
    whole, old = (numpy_helper.to_array(graph.tensors[name]) for name in bias.input[:2])
    for name, values in {
        bias.input[0]: np.rint(whole * (old.astype(np.float64) / new)).astype(np.int32),
        bias.input[1]: new,
        taken.input[1]: np.float32(1 / unit),
        taken.input[2]: np.uint8(zero),
    }.items():
        graph.tensors[name].CopyFrom(numpy_helper.from_array(np.asarray(values), name))
    moved.input[0], taken.input[0] = cast.input[0], moved.output[0]
    for node in (cast, shift, scale, steps):
        graph.graph.node.remove(node)


def _shuffle_bytes(graph: _Graph, shuffle: onnx.NodeProto, name: str) -> None:
    """Move whole cells of bytes, channels last, as quantised convolutions give and take them.

    ONNX Runtime's DepthToSpace takes channels first, moves single bytes, and needs a transposition before it
    and one after. The channels of the convolution are put in the order that makes cells of them.
    """
    given = graph.before(shuffle, "DequantizeLinear")
    steps = given and graph.before(given, "QuantizeLinear")
    convolution = steps and graph.before(steps, "Conv")
    again = graph.after(shuffle, "QuantizeLinear")
    taken = again and graph.after(again, "DequantizeLinear")
    attributes = {one.name: helper.get_attribute_value(one) for one in shuffle.attribute}
    if not (given and steps and convolution and again and taken) or attributes.get("mode") != b"CRD":
        return
    if graph.steps(steps) != graph.steps(again):
        return
    block = attributes["blocksize"]
    channels = graph.tensors[graph.maker[convolution.input[1]].input[0]].dims[0] // block**2
    order = np.arange(channels * block**2).reshape(channels, block, block).transpose(1, 2, 0).ravel().tolist()
    for weight in convolution.input[1:]:
        graph.reorder(weight, order)
    nodes: list[onnx.NodeProto] = []

    def constant(what: str, *values: int) -> str:
        graph.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), f"{name}.{what}"))
        return f"{name}.{what}"

    def add(kind: str, *inputs: str, **how: Any) -> str:
        output = f"{name}.{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [output], f"{name} {kind} {len(nodes)}", **how))
        return output

    last = add("Transpose", steps.output[0], perm=[0, 2, 3, 1])
    cells = add("Reshape", last, constant("cells", 0, 0, 0, block, block, channels))
    rows = add("Transpose", cells, perm=[0, 1, 3, 2, 4, 5])
    wide = add("Reshape", rows, constant("wide", 0, 0, 0, -1, channels))
    ends = constant("one", 1), constant("height", -1), add("Shape", wide, start=3, end=4)
    size = add("Concat", *ends, constant("channels", channels), axis=0)
    taken.input[0] = add("Transpose", add("Reshape", wide, size), perm=[0, 3, 1, 2])
    place = list(graph.graph.node).index(shuffle)
    for node in (given, shuffle, again):
        graph.graph.node.remove(node)
    for node in reversed(nodes):
        graph.graph.node.insert(place - 1, node)


def _only_moves(graph: _Graph, ids: str) -> bool:
    """Whether ids are only moved and compared from here to where they become uint8."""
    takers = graph.takers[ids]
    return (
        ids not in graph.given
        and bool(takers)
        and all(
            node.op_type in ("Equal", "Shape")
            or (node.op_type == "Cast" and _to(node).i == TensorProto.UINT8)
            or (node.op_type in MOVING and _only_moves(graph, node.output[0]))
            for node in takers
        )
    )


def _to(cast: onnx.NodeProto) -> onnx.AttributeProto:
    (to,) = (one for one in cast.attribute if one.name == "to")
    assert isinstance(to, onnx.AttributeProto)
    return to
