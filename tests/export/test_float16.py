"""What a graph in float16 computes all the same in float32."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from export.float16 import to_float16

WIDTH = 2048


def test_places_far_from_zero_are_told_apart() -> None:
    """A ramp, moved by a third of a pixel: float16 knows 2000 and 2001, and nothing between."""
    base = np.arange(WIDTH, dtype=np.float32)[None, None] + 0.5
    constants = {
        "base": base,
        "unit": np.float32(2 / WIDTH),
        "one": np.float32(1),
        "last": np.array([3]),
        "rows": np.zeros((1, 1, WIDTH, 1), np.float32),
    }
    nodes = [
        helper.make_node("Add", ["base", "flow"], ["x"]),
        helper.make_node("Mul", ["x", "unit"], ["share"]),
        helper.make_node("Sub", ["share", "one"], ["column"]),
        helper.make_node("Unsqueeze", ["column", "last"], ["columns"]),
        helper.make_node("Concat", ["columns", "rows"], ["places"], axis=3),
        helper.make_node("GridSample", ["picture", "places"], ["sampled"], padding_mode="border"),
        helper.make_node("Mul", ["sampled", "unit"], ["moved"]),
    ]
    shapes = {"picture": [1, 1, 1, WIDTH], "flow": [1, 1, WIDTH], "moved": [1, 1, 1, WIDTH]}
    infos = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()
    }
    graph = helper.make_graph(
        nodes,
        "moved",
        [infos["picture"], infos["flow"]],
        [infos["moved"]],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    half = to_float16(model.SerializeToString())
    picture = (np.arange(WIDTH, dtype=np.float32) % 256)[None, None, None]
    flow = np.full((1, 1, WIDTH), 1 / 3, np.float32)
    session = onnxruntime.InferenceSession(half, providers=["CPUExecutionProvider"])
    (moved,) = session.run(None, {"picture": picture, "flow": flow})
    inner = np.arange(WIDTH) % 256 < 255
    inner[-1] = False
    wanted = (picture[0, 0, 0] + 1 / 3) * 2 / WIDTH
    np.testing.assert_allclose(moved[0, 0, 0][inner], wanted[inner], atol=0.05 * 2 / WIDTH, rtol=2e-3)
