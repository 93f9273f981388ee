#!/usr/bin/env bash
# ONNX Runtime makes signed weights unsigned on CPUs with VNNI too, when told to spare those without it.
#
# Package:    onnxruntime 1.32.0
# Behaviour:  session.x64quantprecision is there for x86 CPUs without VNNI, where products of unsigned and signed
#             bytes are summed in 16 bits and overflow; its description says that it then takes slower unsigned
#             products. Set on a CPU with VNNI, which sums in 32 bits, it changes the graph all the same: weights
#             become unsigned, and the slower products are taken for answers that are the same bit by bit.
# Seen:       weights int8 without the entry, uint8 with it, on a CPU with avx512_vnni; answers the same
# What we do: the entry is set only where the system's list of the CPU's instructions names no VNNI.
set -euo pipefail
if ! grep -qm1 vnni /proc/cpuinfo; then
    echo "nothing to see: this CPU has no VNNI"
    exit 0
fi
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

CHANNELS, SIZE = 16, 8
rng = np.random.default_rng(0)


def scalar(name, value, dtype):
    return numpy_helper.from_array(np.array(value, dtype), name)


constants = [
    numpy_helper.from_array(rng.integers(-127, 128, (CHANNELS, CHANNELS, 3, 3), np.int8), "w"),
    scalar("w_scale", 0.01, np.float32),
    scalar("w_zero", 0, np.int8),
    scalar("x_scale", 0.02, np.float32),
    scalar("x_zero", 128, np.uint8),
    scalar("y_scale", 0.5, np.float32),
    scalar("y_zero", 128, np.uint8),
]
nodes = [
    helper.make_node(
        "QLinearConv",
        ["x", "x_scale", "x_zero", "w", "w_scale", "w_zero", "y_scale", "y_zero"],
        ["y"], pads=[1, 1, 1, 1],
    )
]
shape = [1, CHANNELS, SIZE, SIZE]
graph = helper.make_graph(
    nodes, "g",
    [helper.make_tensor_value_info("x", TensorProto.UINT8, shape)],
    [helper.make_tensor_value_info("y", TensorProto.UINT8, shape)],
    constants,
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), "conv.onnx")
image = rng.integers(0, 256, shape, np.uint8)
kinds, answers = [], []
for entry in ("0", "1"):
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", entry)
    options.optimized_model_filepath = f"optimised{entry}.onnx"
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession("conv.onnx", options, providers=["CPUExecutionProvider"])
    answers.append(session.run(None, {"x": image})[0])
    optimised = onnx.load(options.optimized_model_filepath).graph
    (weights,) = (one for one in optimised.initializer if list(one.dims) == [CHANNELS, CHANNELS, 3, 3])
    kinds.append(TensorProto.DataType.Name(weights.data_type))
same = np.array_equal(*answers)
print(f"weights: {kinds[0]} without the entry, {kinds[1]} with it; answers the same: {same}")
if kinds != ["INT8", "UINT8"] or not same:
    raise SystemExit("changed: the entry leaves the weights alone where the CPU has VNNI")
PYTHON
