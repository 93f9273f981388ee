#!/usr/bin/env bash
# ONNX Runtime quantises a convolution that was left in float, with one scale for all its channels.
#
# Package:    onnxruntime 1.32.0 (CPU provider, default optimisations)
# Behaviour:  A layer that is sensitive to rounding keeps float weights; tensors before and after it are
#             quantised. On loading, ONNX Runtime rounds those weights to int8 all the same, per tensor and
#             not per channel: channels much smaller than the largest become all zero. No message. A bias that
#             a node computes (here: DequantizeLinear) in place of a constant keeps it from doing so.
# Seen:       output of the small channel: 0.0 by default; 50.0 without optimisations, and with a computed bias
# What we do: layers that the export leaves in float32 get such a computed bias.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

weights = np.array([[0.1, 0.1], [100, -100]], np.float32).reshape(2, 2, 1, 1)
x = np.full((1, 2, 4, 4), 250, np.float32)


def model(computed):
    constants = {
        "scale": np.float32(1), "zero": np.uint8(0), "y_scale": np.float32(0.5),
        "w": weights, "bias": np.zeros(2, np.float32), "steps": np.zeros(2, np.int32), "step": np.float32(1),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["x_int"]),
        helper.make_node("DequantizeLinear", ["x_int", "scale", "zero"], ["x_float"]),
        helper.make_node("Conv", ["x_float", "w", "computed" if computed else "bias"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "y_scale", "zero"], ["c_int"]),
        helper.make_node("DequantizeLinear", ["c_int", "y_scale", "zero"], ["y"]),
    ]
    if computed:
        nodes.insert(0, helper.make_node("DequantizeLinear", ["steps", "step"], ["computed"]))
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, x.shape)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items() if name in used],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made, full_check=True)
    return made.SerializeToString()


def run(computed, level):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(model(computed), options, providers=["CPUExecutionProvider"])
    return float(session.run(None, {"x": x})[0][0, 0].mean())


levels = onnxruntime.GraphOptimizationLevel
results = {
    "default": run(False, levels.ORT_ENABLE_ALL),
    "without optimisations": run(False, levels.ORT_DISABLE_ALL),
    "computed bias": run(True, levels.ORT_ENABLE_ALL),
}
for name, value in results.items():
    print(f"small channel, {name}: {value}")
if list(results.values()) != [0, 50, 50]:
    raise SystemExit("changed: the float weights keep their precision")
PYTHON
