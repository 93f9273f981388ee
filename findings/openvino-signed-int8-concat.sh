#!/usr/bin/env bash
# OpenVINO rounds signed quantised activations to whole numbers when a Concat stands before the convolution.
#
# Package:    openvino 2026.4.1 (CPU); 2025.3.0 and 2025.4.1 do the same
# Behaviour:  Two tensors, quantised as int8 with one scale, go through Concat into a QDQ convolution. The
#             convolution sees whole numbers only: with a scale of 0.01, values from -1 to 1 become -1, 0
#             or 1 (up to 0.63 gives 0). With a scale of 1 it is right, and so is uint8 with zero point 128.
# Seen:       uint8: 201 values, largest error 0.000; int8: 3 values (-1, 0, 1), largest error 0.64
# What we do: give OpenVINO the graph with unsigned activations; the signed one is for TensorRT only.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from openvino import Core

CHANNELS, SCALE = 16, np.float32(0.01)
weights = np.full((CHANNELS, 2 * CHANNELS, 1, 1), 0, np.int8)
weights[range(CHANNELS), range(CHANNELS)] = 100  # times its scale of 0.01: the first half comes out as it was
ramp = np.linspace(-1, 1, CHANNELS * 64, dtype=np.float32).reshape(1, CHANNELS, 8, 8)
inputs = {"a": ramp, "b": ramp}


def run(zero):
    constants = {
        "scale": SCALE, "zero": zero, "w": weights,
        "w_scale": np.full(CHANNELS, 0.01, np.float32), "w_zero": np.zeros(CHANNELS, np.int8),
    }
    nodes = [helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["w_float"], axis=0)]
    for name in inputs:
        nodes.append(helper.make_node("QuantizeLinear", [name, "scale", "zero"], [f"{name}_int"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_int", "scale", "zero"], [f"{name}_float"]))
    nodes.append(helper.make_node("Concat", ["a_float", "b_float"], ["c"], axis=1))
    nodes.append(helper.make_node("Conv", ["c", "w_float"], ["y"]))
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info(k, TensorProto.FLOAT, v.shape) for k, v in inputs.items()],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    core = Core()
    compiled = core.compile_model(
        core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return compiled(inputs)["y"]


right = np.rint(ramp / SCALE) * SCALE
signed, unsigned = run(np.int8(0)), run(np.uint8(128))
for name, found in (("unsigned", unsigned), ("signed  ", signed)):
    values = np.unique(found.round(3))
    print(f"{name}: {len(values)} values, largest error {np.abs(found - right).max():.3f}")
if not np.allclose(unsigned, right, atol=1e-4) or np.unique(signed.round(3)).tolist() != [-1, 0, 1]:
    raise SystemExit("changed: the signed graph is no longer rounded to whole numbers")
PYTHON
