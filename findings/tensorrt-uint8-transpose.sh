#!/usr/bin/env bash
# TensorRT's parser takes an image as uint8, but not one whose axes are put in order before it becomes float.
#
# Package:    tensorrt-rtx 1.7.1.116 (parses without a GPU)
# Behaviour:  uint8 is allowed as the input of a network and of Cast. Transpose of uint8, valid ONNX and the
#             cheap order (a byte a value instead of four), is refused. Cast first, then Transpose, parses.
# Seen:       Transpose, Cast: refused, "first input has type UInt8 but must have type Float, ..."
#             Cast, Transpose: parsed
# What we do: convert the image to float before permuting it, in the exported graph.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet tensorrt-rtx==1.7.1.116 onnx==1.23.2 numpy==2.4.6
"$work/venv/bin/python" - <<'PYTHON'
import onnx
import tensorrt_rtx
from onnx import TensorProto, helper

STEPS = {"Cast": {"to": TensorProto.FLOAT}, "Transpose": {"perm": [0, 3, 1, 2]}}


def parse(first, second):
    graph = helper.make_graph(
        [
            helper.make_node(first, ["image"], ["t"], **STEPS[first]),
            helper.make_node(second, ["t"], ["y"], **STEPS[second]),
        ],
        "g",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, 8, 8, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    logger = tensorrt_rtx.Logger(tensorrt_rtx.Logger.INTERNAL_ERROR)
    builder = tensorrt_rtx.Builder(logger)
    network = builder.create_network()
    parser = tensorrt_rtx.OnnxParser(network, logger)
    taken = parser.parse(model.SerializeToString())
    error = " ".join(parser.get_error(i).desc() for i in range(parser.num_errors))
    print(f"{first}, {second}:", "parsed" if taken else f"refused: {error.splitlines()[1][44:190]}")
    return taken, "type UInt8" in error


if [parse("Transpose", "Cast"), parse("Cast", "Transpose")] != [(False, True), (True, False)]:
    raise SystemExit("changed: the parser takes Transpose of uint8, or refuses something else")
PYTHON
