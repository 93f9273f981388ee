"""Bundles of graphs so small that what they must give can be worked out by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
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

NODE = helper.make_node
FLOAT = TensorProto.FLOAT
MAPS = {"float32": FLOAT, "uint8": TensorProto.UINT8}

PICTURE = OutputInfo(layout="NHWC")
DEPTH = OutputInfo(dtype="float32", layout="NHW", tolerance=1e-4)
KEY_POINTS = OutputInfo(dtype="float32", layout="NCHW", stride=4, tolerance=1e-4)
LATENT = OutputInfo(dtype="float32", layout="NK", tolerance=1e-4)


def inverted(folder: Path, **more: Any) -> Bundle:
    """picture: 255 − image."""
    nodes = [NODE("Sub", ["white", "image"], ["picture"])]
    return _write(folder, nodes, {"white": np.uint8(255)}, {"picture": PICTURE}, **more)


def doubled(folder: Path, **more: Any) -> Bundle:
    """picture: each pixel of the image as 2×2."""
    nodes = [
        NODE(
            "Resize",
            ["image", "", "scales"],
            ["picture"],
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )
    ]
    scales = np.array([1, 2, 2, 1], np.float32)
    outputs = {"picture": PICTURE.model_copy(update={"scale": 2})}
    return _write(folder, nodes, {"scales": scales}, outputs, **more)


def delayed(folder: Path, frames: int = 2, **more: Any) -> Bundle:
    """picture: the oldest of the frames."""
    nodes = [NODE("Slice", ["image", "start", "end", "axis"], ["picture"])]
    constants = {"start": np.array([0]), "end": np.array([3]), "axis": np.array([3])}
    return _write(folder, nodes, constants, {"picture": PICTURE}, frames=frames, **more)


def measured(folder: Path, **more: Any) -> Bundle:
    """depth: a tenth of the blue channel, in metres; latent: the means of blue, green and red."""
    nodes = [
        NODE("Cast", ["image"], ["pixels"], to=FLOAT),
        NODE("Gather", ["pixels", "first"], ["blue"], axis=3),
        NODE("Mul", ["blue", "tenth"], ["depth"]),
        NODE("ReduceMean", ["pixels", "sides"], ["latent"], keepdims=0),
    ]
    constants = {"first": np.int64(0), "tenth": np.float32(0.1), "sides": np.array([1, 2])}
    return _write(folder, nodes, constants, {"depth": DEPTH, "latent": LATENT}, **more)


def pointed(folder: Path, **more: Any) -> Bundle:
    """key_points: head, left and right hand where the image is blue, green and red, over 4×4 pixels."""
    nodes = [
        NODE("Cast", ["image"], ["pixels"], to=FLOAT),
        NODE("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        NODE("AveragePool", ["planes"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        NODE("Div", ["cells", "white"], ["key_points"]),
    ]
    outputs, names = {"key_points": KEY_POINTS}, ("head", "left_hand", "right_hand")
    return _write(folder, nodes, {"white": np.float32(255)}, outputs, key_points=names, **more)


def _write(
    folder: Path,
    nodes: list[onnx.NodeProto],
    constants: dict[str, Any],
    outputs: dict[str, OutputInfo],
    frames: int = 1,
    multiple: int = 16,
    pixels: int = 640 * 384,
    size: tuple[int, int] | None = None,
    key_points: tuple[str, ...] = (),
) -> Bundle:
    image = helper.make_tensor_value_info("image", TensorProto.UINT8, [1, "h", "w", 3 * frames])
    graph = helper.make_graph(
        nodes,
        folder.name,
        [image],
        [helper.make_tensor_value_info(n, MAPS[o.dtype], [None] * len(o.layout)) for n, o in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    data = bytes(model.SerializeToString())
    golden: npt.NDArray[np.uint8] = np.random.default_rng(0).integers(
        0, 256, (1, *(size or (2 * multiple, 3 * multiple)), 3 * frames), np.uint8
    )
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return write_bundle(
        folder,
        BundleDescription(
            name=folder.name,
            version="1",
            classes=ClassesInfo(
                name=DRIVE.name, names=DRIVE.names, colours=DRIVE.colours, things=DRIVE.things
            ),
            input=InputInfo(multiple=multiple, pixels=pixels, size=size, frames=frames),
            outputs=outputs,
            key_points=key_points,
            training=TrainingInfo(data=(), licence="MIT"),
        ),
        graphs={Precision.FLOAT32: data},
        golden_image=golden,
        golden_outputs={
            Precision.FLOAT32: dict(zip(outputs, session.run(list(outputs), {"image": golden}), strict=True))
        },
        card=f"# {folder.name}\n\nFor tests.\n",
    )
