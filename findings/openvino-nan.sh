#!/usr/bin/env bash
# OpenVINO's Relu, Clip, Max and HardSigmoid turn NaN into a number, each its own.
#
# Package:    openvino 2026.4.1 (CPU), next to onnxruntime 1.32.0
# Behaviour:  NaN goes in. ONNX Runtime gives NaN. OpenVINO gives 0 after Relu, Clip(0, 6) and Max(x, 0), and
#             1 after HardSigmoid, while LeakyRelu, PRelu, Elu, Sigmoid and Abs keep it. So a network with
#             NaN in a weight or an input may answer with finite, plausible values.
# Seen:       Relu 0, Clip 0, Max 0, HardSigmoid 1, LeakyRelu nan, PRelu nan, Elu nan, Sigmoid nan, Abs nan
# What we do: count on no search for NaN in the outputs; checkpoints with weights that are not finite are
#             refused, and each engine has to reproduce a golden output.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet openvino==2026.4.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from openvino import Core

EXPECTED = {
    "Relu": 0, "Clip": 0, "Max": 0, "HardSigmoid": 1,
    "LeakyRelu": np.nan, "PRelu": np.nan, "Elu": np.nan, "Sigmoid": np.nan, "Abs": np.nan,
}
MORE = {"Clip": ["zero", "six"], "Max": ["zeros"], "PRelu": ["zeros"]}
constants = {"zero": np.float32(0), "six": np.float32(6), "zeros": np.zeros(1, np.float32)}
x = np.array([np.nan, -1, 2], np.float32)


def both(operator):
    used = MORE.get(operator, [])
    graph = helper.make_graph(
        [helper.make_node(operator, ["x", *used], ["y"])], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(constants[name]), name) for name in used],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    model = made.SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    compiled = core.compile_model(core.read_model(model), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled({"x": x})["y"], session.run(None, {"x": x})[0]


core = Core()
changed = []
for operator, expected in EXPECTED.items():
    found, reference = both(operator)
    print(f"{operator:12} of NaN: OpenVINO {found[0]:g}, ONNX Runtime {reference[0]:g}")
    assert np.allclose(found[1:], reference[1:]), "ordinary numbers have to agree"
    if not np.isnan(reference[0]) or not np.array_equal(found[0], np.float32(expected), equal_nan=True):
        changed.append(operator)
if changed:
    raise SystemExit(f"changed: {', '.join(changed)}")
PYTHON
