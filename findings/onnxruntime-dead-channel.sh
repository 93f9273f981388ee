#!/usr/bin/env bash
# onnxruntime.quantization loses the bias of an output channel whose weights are all zero.
#
# Package:    onnxruntime 1.32.0
# Behaviour:  quantize_static, per channel: a channel with nothing but zeros (pruned, or folded with a batch
#             normalisation of scale 0) gets a weight scale of 1.0. Its bias is stored as int32 in steps of
#             input scale * weight scale, so in steps of 1.0 for inputs from 0 to 255: a bias of 0.3 becomes
#             0, with no message. Channels with any weight use steps far below that.
# Seen:       weight scales 1.1e-03, 1.0, 6.1e-05, 8.4e-04; biases of 0.3 read back as 0.3, 0.0, 0.3, 0.3002
# What we do: the export compares the INT8 graph with the float one on golden frames and on validation sets,
#             and refuses it where they differ; the graph for TensorRT keeps its biases as floats.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6 sympy==1.14.0
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import logging

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

logging.disable(logging.WARNING)
CHANNELS, DEAD = 4, 1
rng = np.random.default_rng(0)
images = [rng.uniform(0, 255, (1, CHANNELS, 8, 8)).astype(np.float32) for _ in range(4)]


class Inputs(CalibrationDataReader):
    def __init__(self):
        self.left = list(images)

    def get_next(self):
        return {"x": self.left.pop()} if self.left else None


weights = rng.normal(0, 0.1, (CHANNELS, CHANNELS, 1, 1)).astype(np.float32)
weights[DEAD] = 0
shape = [1, CHANNELS, 8, 8]
graph = helper.make_graph(
    [helper.make_node("Conv", ["x", "w", "bias"], ["y"], name="conv")], "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.full(CHANNELS, 0.3, np.float32), "bias")],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "float.onnx")
quantize_static(
    "float.onnx", "int8.onnx", Inputs(), quant_format=QuantFormat.QDQ, per_channel=True,
    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
)
stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load("int8.onnx").graph.initializer}
biases = stored["bias_quantized"] * stored["bias_quantized_scale"]
print("weight scales", stored["w_scale"], "biases", biases.round(4))
answers = []
for path in ("float.onnx", "int8.onnx"):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    answers.append(float(session.run(None, {"x": images[0]})[0][0, DEAD].mean()))
print("output of the dead channel: float {:.2f}, INT8 {:.2f}".format(*answers))
alive = np.delete(biases, DEAD)
if stored["w_scale"][DEAD] != 1 or biases[DEAD] != 0 or answers[1] != 0 or np.abs(alive - 0.3).max() > 0.01:
    raise SystemExit("changed: the dead channel keeps its bias")
PYTHON
