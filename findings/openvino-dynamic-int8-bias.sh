#!/usr/bin/env bash
# OpenVINO gives all channels of a quantised convolution the bias of the first one.
#
# Package:    openvino 2026.4.1 (CPU). 2025.4.1 does the same, 2025.3.0 does not.
# Behaviour:  A QDQ convolution is compiled with height and width left open. Where Shape nodes that read one
#             dimension each take its size for a Resize of another tensor, every output channel gets the bias
#             of channel 0. A bias that is equal in all channels hides it. One Shape that reads both
#             dimensions, or a size fixed by model.reshape, gives the right answer.
# Seen:       one Shape for both: -5.01 ... 4.98; two Shapes: -5.01 ... -5.02; two, fixed size: -5.01 ... 4.98
# What we do: compile the network once for each size of image, and refuse an engine that does not reproduce
#             the golden output of the bundle.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from openvino import Core

CHANNELS = 16


def model(shapes):
    bias = np.linspace(-5, 5, CHANNELS, dtype=np.float32)
    weights = np.random.default_rng(0).integers(-20, 21, (CHANNELS, CHANNELS, 1, 1)).astype(np.int8)
    constants = {
        "x_scale": np.float32(1 / 255), "x_zero": np.uint8(0), "y_scale": np.float32(0.1), "y_zero": np.uint8(128),
        "w": weights, "w_scale": np.full(CHANNELS, 0.002, np.float32), "w_zero": np.zeros(CHANNELS, np.int8),
        "bias": bias, "one": np.array([1, 1]),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "x_scale", "x_zero"], ["x_int"]),
        helper.make_node("DequantizeLinear", ["x_int", "x_scale", "x_zero"], ["x_float"]),
        helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["w_float"], axis=0),
        helper.make_node("Conv", ["x_float", "w_float", "bias"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "y_scale", "y_zero"], ["c_int"]),
        helper.make_node("DequantizeLinear", ["c_int", "y_scale", "y_zero"], ["y"]),
        *(helper.make_node("Shape", ["y"], [name], start=a, end=b) for name, a, b in shapes),
        helper.make_node("Concat", ["one", *(name for name, _, _ in shapes)], ["size"], axis=0),
        helper.make_node("Resize", ["small", "", "", "size"], ["large"], mode="nearest"),
    ]
    inputs = {"x": [1, CHANNELS, "h", "w"], "small": [1, 1, "p", "q"]}
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in inputs.items()],
        [helper.make_tensor_value_info(k, TensorProto.FLOAT, None) for k in ("y", "large")],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9).SerializeToString()


def means(shapes, fixed):
    values = {
        "x": np.random.default_rng(1).random((1, CHANNELS, 6, 6), np.float32),
        "small": np.ones((1, 1, 3, 3), np.float32),
    }
    read = core.read_model(model(shapes))
    if fixed:
        read.reshape({name: list(value.shape) for name, value in values.items()})
    compiled = core.compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled(values)["y"].mean((0, 2, 3))


core = Core()
both, each = [("hw", 2, 4)], [("h", 2, 3), ("w", 3, 4)]
results = [means(both, False), means(each, False), means(each, True)]
for name, result in zip(("one Shape, open size ", "two Shapes, open size", "two Shapes, fixed    "), results):
    print(name, result.round(2))
right, wrong, fixed = results
if not np.allclose(right, fixed) or np.abs(wrong - right[0]).max() > 0.2 or np.abs(wrong - right).max() < 9:
    raise SystemExit("changed: the channels keep their own bias, or something else is wrong")
PYTHON
