#!/usr/bin/env bash
# TensorRT's ONNX parser refuses what onnxruntime.quantization writes by default: biases as int32.
#
# Package:    tensorrt-rtx 1.7.1.116, onnxruntime 1.32.0 (neither needs a GPU here)
# Behaviour:  quantize_static in QDQ format stores a bias as int32 behind a DequantizeLinear, even with
#             symmetric signed types, which TensorRT asks for. TensorRT takes no int32 there, and the graph
#             fails to parse. With QuantizeBias=False the bias stays float, and the graph parses.
# Seen:       default: refused, "input has type Int32 but must have type FP8, FP4, Int4, Int8, or UInt8";
#             QuantizeBias=False: parsed
# What we do: bundles hold a second INT8 graph for TensorRT, symmetric and with float biases.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tensorrt-rtx==1.7.1.116 onnxruntime==1.32.0 onnx==1.23.2 \
    numpy==2.4.6 sympy==1.14.0
cd "$work"
"$work/venv/bin/python" - <<'PYTHON'
import logging

import numpy as np
import onnx
import tensorrt_rtx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

logging.disable(logging.WARNING)
rng = np.random.default_rng(0)


class Inputs(CalibrationDataReader):
    def __init__(self):
        self.left = [rng.random((1, 3, 8, 8), np.float32) for _ in range(4)]

    def get_next(self):
        return {"x": self.left.pop()} if self.left else None


def parse(path):
    logger = tensorrt_rtx.Logger(tensorrt_rtx.Logger.INTERNAL_ERROR)
    builder = tensorrt_rtx.Builder(logger)
    network = builder.create_network()
    parser = tensorrt_rtx.OnnxParser(network, logger)
    with open(path, "rb") as file:
        taken = parser.parse(file.read())
    return taken, " ".join(parser.get_error(i).desc() for i in range(parser.num_errors))


weights = {"w": rng.normal(0, 0.1, (8, 3, 3, 3)), "bias": np.linspace(-1, 1, 8)}
graph = helper.make_graph(
    [helper.make_node("Conv", ["x", "w", "bias"], ["y"], name="conv")], "g",
    [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
    [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 6, 6])],
    [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "float.onnx")
symmetric = {"ActivationSymmetric": True, "WeightSymmetric": True}
results = []
for options in ({}, {"QuantizeBias": False}):
    quantize_static(
        "float.onnx", "int8.onnx", Inputs(), quant_format=QuantFormat.QDQ, per_channel=True,
        activation_type=QuantType.QInt8, weight_type=QuantType.QInt8, extra_options=symmetric | options,
    )
    taken, error = parse("int8.onnx")
    results.append((taken, "type Int32" in error))
    print(options or "default", "parsed" if taken else f"refused: {error.splitlines()[1][44:190]}")
if results != [(False, True), (True, False)]:
    raise SystemExit("changed: int32 biases are taken, or float ones are not")
PYTHON
