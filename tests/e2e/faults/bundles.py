"""A network that breaks on command: what it does hangs on the colour that the camera shows."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from perception.bundle.bundle import Bundle, write_bundle
from perception.bundle.manifest import (
    BundleDescription,
    ClassesInfo,
    InputInfo,
    OutputInfo,
    Precision,
    TrainingInfo,
)
from perception.classes import DRIVE
from tests.conftest import COLOURS_BGR

NODE = helper.make_node
INFINITE, THROWS, HANGS = "255 0 0", "0 255 0", "0 0 255"  # for the camera's command `colour`
OUTPUTS = {"labels": OutputInfo(), "latent": OutputInfo(dtype="float32", layout="NK", tolerance=1e-4)}


def write_breaking_bundle(folder: Path, trips: int = 1, pixels: int = 160 * 96) -> Bundle:
    """Labels as of the colour bundle, and latent: the means of blue, green and red.

    A blue picture gives a latent that is no number, a green one an index out of bounds, and with a red one
    it never comes back.

    Args:
        trips: of a loop that does nothing, to make it slow.
    """
    golden = np.random.default_rng(0).integers(0, 256, (1, 32, 64, 3), np.uint8)
    graph = _graph(trips)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(list(OUTPUTS), {"image": golden})
    return write_bundle(
        folder,
        BundleDescription(
            name="breaking",
            version="1",
            classes=ClassesInfo(
                name=DRIVE.name, names=DRIVE.names, colours=DRIVE.colours, things=DRIVE.things
            ),
            input=InputInfo(pixels=pixels),
            outputs=OUTPUTS,
            training=TrainingInfo(data=(), licence="MIT"),
        ),
        graphs={Precision.FLOAT32: graph},
        golden_image=golden,
        golden_outputs={Precision.FLOAT32: dict(zip(OUTPUTS, found, strict=True))},
        card="# breaking\n\nFor tests.\n",
    )


def _graph(trips: int) -> bytes:
    colours = COLOURS_BGR.astype(np.float32)
    nodes = [
        NODE("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        NODE("MatMul", ["pixels", "minus_twice_colours"], ["products"]),
        NODE("Add", ["products", "squares"], ["distances"]),
        NODE("ArgMin", ["distances"], ["nearest"], axis=-1, keepdims=0),
        NODE("Cast", ["nearest"], ["labels"], to=TensorProto.UINT8),
        # Which of the three channels is far above their mean.
        NODE("ReduceMean", ["pixels", "sides"], ["means"], keepdims=0),
        NODE("ReduceMean", ["means", "channels"], ["grey"]),
        NODE("Sub", ["means", "grey"], ["tints"]),
        NODE("Greater", ["tints", "clearly"], ["shown"]),
        NODE("Split", ["shown", "each"], ["blue", "green", "red"], axis=1),
        NODE("Where", ["blue", "infinity", "nothing"], ["poison"]),
        NODE("Where", ["green", "beyond", "first"], ["index"]),
        NODE("Gather", ["nothing", "index"], ["taken"]),
        NODE("Where", ["red", "for_ever", "trips"], ["all_trips"]),
        NODE("Squeeze", ["all_trips"], ["trip_count"]),
        NODE("Loop", ["trip_count", "", "nothing"], ["looped"], body=_idle()),
        NODE("Sum", ["means", "poison", "taken", "looped"], ["latent"]),
    ]
    constants = {
        "minus_twice_colours": -2 * colours.T,
        "squares": (colours**2).sum(axis=1),
        "sides": np.array([1, 2]),
        "channels": np.array([1]),
        "clearly": np.float32(100),
        "each": np.array([1, 1, 1]),
        "infinity": np.array([np.inf], np.float32),
        "nothing": np.zeros(1, np.float32),
        "beyond": np.array([9]),
        "first": np.array([0]),
        "for_ever": np.array([1 << 60]),
        "trips": np.array([trips]),
    }
    graph = helper.make_graph(
        nodes,
        "breaking",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "h", "w", 3])],
        [
            helper.make_tensor_value_info("labels", TensorProto.UINT8, [1, "h", "w"]),
            helper.make_tensor_value_info("latent", TensorProto.FLOAT, [1, 3]),
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _idle() -> onnx.GraphProto:
    """A loop's body that hands on what it is given."""
    value = helper.make_tensor_value_info
    return helper.make_graph(
        [NODE("Identity", ["go_on"], ["still"]), NODE("Add", ["before", "before"], ["after"])],
        "idle",
        [
            value("trip", TensorProto.INT64, []),
            value("go_on", TensorProto.BOOL, []),
            value("before", TensorProto.FLOAT, [1]),
        ],
        [value("still", TensorProto.BOOL, []), value("after", TensorProto.FLOAT, [1])],
    )
