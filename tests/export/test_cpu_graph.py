from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.cpu_graph import suit_cpu


def quantised(mode: str = "CRD", scale_after: float = 0.02, *, block: int = 2) -> onnx.ModelProto:
    """A sub-pixel convolution to 3 classes with steps around it, and the ids of the classes as int32."""
    rng = np.random.default_rng(0)
    channels = 3 * block**2
    values = {
        "weight": rng.integers(-127, 128, (channels, 4, 1, 1)).astype(np.int8),
        "weight_scale": rng.uniform(0.001, 0.01, channels).astype(np.float32),
        "weight_zero": np.zeros(channels, np.int8),
        "bias": rng.normal(0, 0.3, channels).astype(np.float32),
        "scale": np.float32(0.02),
        "scale_after": np.float32(scale_after),
        "zero": np.uint8(128),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["pixels", "scale", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["w"], axis=0),
        helper.make_node("Conv", ["x", "w", "bias"], ["y"]),
        helper.make_node("QuantizeLinear", ["y", "scale", "zero"], ["y_steps"]),
        helper.make_node("DequantizeLinear", ["y_steps", "scale", "zero"], ["y_again"]),
        helper.make_node("DepthToSpace", ["y_again"], ["z"], blocksize=block, mode=mode),
        helper.make_node("QuantizeLinear", ["z", "scale_after", "zero"], ["z_steps"]),
        helper.make_node("DequantizeLinear", ["z_steps", "scale_after", "zero"], ["logits"]),
        helper.make_node("ArgMax", ["logits"], ["index"], axis=1, keepdims=0),
        helper.make_node("Cast", ["index"], ["ids"], to=TensorProto.INT32),
    ]
    graph = helper.make_graph(
        nodes,
        "sub-pixel",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, [1, 4, "h", "w"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def with_labels(model: onnx.ModelProto) -> onnx.ModelProto:
    """Its ids as bytes, each between the one above and that one again where they differ."""
    model.graph.node.extend(
        [
            helper.make_node("Slice", ["ids", "start", "stop", "rows"], ["first"]),
            helper.make_node("Slice", ["ids", "start", "last", "rows"], ["others"]),
            helper.make_node("Concat", ["first", "others"], ["above"], axis=1),
            helper.make_node("Equal", ["above", "ids"], ["same"]),
            helper.make_node("Where", ["same", "ids", "above"], ["chosen"]),
            helper.make_node("Unsqueeze", ["chosen", "axis"], ["column"]),
            helper.make_node("Unsqueeze", ["ids", "axis"], ["column_of_ids"]),
            helper.make_node("Concat", ["column", "column_of_ids"], ["pairs"], axis=3),
            helper.make_node("Reshape", ["pairs", "size"], ["wide"]),
            helper.make_node("Cast", ["wide"], ["labels"], to=TensorProto.UINT8),
        ]
    )
    numbers = {"start": [0], "stop": [1], "last": [-1], "rows": [1], "axis": [3], "size": [0, 0, -1]}
    for name, values in numbers.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    model.graph.output.append(helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, "H", "W2"]))
    return model


def with_ids(model: onnx.ModelProto) -> onnx.ModelProto:
    model.graph.output.append(helper.make_tensor_value_info("ids", TensorProto.INT32, [1, "H", "W"]))
    return model


def run(model: onnx.ModelProto, pixels: npt.NDArray[np.uint8]) -> Mapping[str, npt.NDArray[Any]]:
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, {"pixels": pixels}), strict=True))


def suited(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    suit_cpu(copy)
    return copy


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


@pytest.mark.parametrize("block", [2, 3])
def test_cells_are_moved_to_where_depth_to_space_moves_them(block: int) -> None:
    model = quantised(block=block)
    rewritten = suited(model)
    assert "DepthToSpace" not in kinds(rewritten)
    for size in ((1, 1), (2, 5), (7, 3)):
        pixels = np.random.default_rng(1).integers(0, 256, (1, 4, *size), dtype=np.uint8)
        expected = run(model, pixels)["logits"]
        assert expected.shape == (1, 3, block * size[0], block * size[1])
        assert len(np.unique(expected)) > 5
        np.testing.assert_array_equal(run(rewritten, pixels)["logits"], expected)


@pytest.mark.parametrize("model", [quantised("DCR"), quantised(scale_after=0.05)])
def test_other_shuffles_stay(model: onnx.ModelProto) -> None:
    assert kinds(suited(model)) == kinds(model)


def test_ids_that_are_only_moved_are_bytes() -> None:
    model = with_labels(quantised())
    rewritten = suited(model)
    types = {
        one.name: one.type.tensor_type.elem_type
        for one in onnx.shape_inference.infer_shapes(rewritten).graph.value_info
    }
    assert {types[name] for name in ("ids", "above", "chosen", "wide")} == {TensorProto.UINT8}
    pixels = np.random.default_rng(2).integers(0, 256, (1, 4, 9, 14), dtype=np.uint8)
    expected = run(model, pixels)["labels"]
    assert set(np.unique(expected)) == {0, 1, 2}
    np.testing.assert_array_equal(run(rewritten, pixels)["labels"], expected)


def test_ids_that_are_given_out_or_computed_with_stay_as_they_are() -> None:
    given = with_ids(quantised())
    given.graph.node.append(helper.make_node("Cast", ["ids"], ["bytes"], to=TensorProto.UINT8))
    computed = quantised()
    computed.graph.node.append(helper.make_node("Add", ["ids", "ids"], ["sum"]))
    for model in (given, computed):
        cast = next(node for node in suited(model).graph.node if node.op_type == "Cast")
        assert cast.attribute[0].i == TensorProto.INT32


def of_pictures(shift: float = 127.0) -> onnx.ModelProto:
    """A picture's bytes, channels last, made float, centred, and rounded again before a convolution."""
    rng = np.random.default_rng(3)
    scale, weight_scale = np.float32(0.0072), rng.uniform(0.001, 0.01, 4).astype(np.float32)
    values = {
        "shift": np.float32(shift),
        "unit": np.float32(128),
        "scale": scale,
        "zero": np.uint8(117),
        "weight": rng.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
        "weight_scale": weight_scale,
        "weight_zero": np.zeros(4, np.int8),
        "bias": rng.integers(-9999, 9999, 4).astype(np.int32),
        "bias_scale": scale * weight_scale,
        "bias_zero": np.zeros(4, np.int32),
        "out": np.float32(0.02),
        "middle": np.uint8(128),
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("Sub", ["first", "shift"], ["centred"]),
        helper.make_node("Div", ["centred", "unit"], ["x"]),
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["steps"]),
        helper.make_node("DequantizeLinear", ["steps", "scale", "zero"], ["again"]),
        helper.make_node("DequantizeLinear", ["weight", "weight_scale", "weight_zero"], ["w"], axis=0),
        helper.make_node("DequantizeLinear", ["bias", "bias_scale", "bias_zero"], ["b"], axis=0),
        helper.make_node("Conv", ["again", "w", "b"], ["y"], pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node("QuantizeLinear", ["y", "out", "middle"], ["y_steps"]),
        helper.make_node("DequantizeLinear", ["y_steps", "out", "middle"], ["maps"]),
    ]
    graph = helper.make_graph(
        nodes,
        "stem",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "h", "w", 3])],
        [helper.make_tensor_value_info("maps", TensorProto.FLOAT, [1, 4, "H", "W"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def maps_of(model: onnx.ModelProto, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    onnx.checker.check_model(model, full_check=True)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["maps"], {"image": image})[0])


def test_the_first_convolution_takes_the_pictures_bytes() -> None:
    """It then gives what it gives of the exact values, to the last step, also at the border."""
    model = of_pictures()
    exact = onnx.ModelProto()
    exact.CopyFrom(model)
    (convolution,) = (node for node in exact.graph.node if node.op_type == "Conv")
    convolution.input[0] = "x"
    rewritten = suited(model)
    assert not {"Cast", "Sub", "Div"} & set(kinds(rewritten))
    image = np.random.default_rng(4).integers(0, 256, (1, 64, 96, 3), dtype=np.uint8)
    expected = maps_of(exact, image)
    assert len(np.unique(expected)) > 100
    off = np.abs(maps_of(rewritten, image) - expected)
    assert off.max() <= 0.0201 and np.mean(off > 1e-6) < 0.01  # a tie is rounded either way
    assert (
        np.mean(np.abs(maps_of(model, image) - expected) > 1e-6) > 0.05
    )  # which the rounding before it cost


def test_a_picture_that_is_taken_otherwise_too_stays_float() -> None:
    model = of_pictures()
    model.graph.node.append(helper.make_node("ReduceMean", ["centred"], ["mean"]))
    assert kinds(suited(model)) == kinds(model)
