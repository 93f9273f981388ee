"""The graph that leaves torch: camera pixels in, label maps out."""

import logging
import warnings
from typing import ClassVar

import onnx
import onnx_ir.passes.common as passes
import torch
from onnxscript import optimizer
from torch import Tensor, nn

from perception.bundle_info import OutputInfo
from perception.classes import DRIVE
from perception.networks.drive import INSTANCE_STRIDE, DriveMaps, full_size
from perception.networks.mask_rcnn import Detections

OPSET = 18
MULTIPLE = 32  # the encoder halves five times


def _map(tolerance: float) -> OutputInfo:
    """All float maps of the drive network are at one stride."""
    return OutputInfo(dtype="float32", layout="NCHW", stride=INSTANCE_STRIDE, tolerance=tolerance)


class Deployed(nn.Module):
    """The drive network with all that embedding code would otherwise have to repeat around it.

    Image uint8 (1, h, w, 3) BGR → labels uint8 (1, h, w), and the maps that tell instances apart, float32
    (1, c, h / 2, w / 2): centres and borders as probabilities, offsets in pixels of the input. The logits of
    labels come at half size too; they are enlarged bilinearly before the argmax.
    """

    outputs: ClassVar[dict[str, OutputInfo]] = {
        "labels": OutputInfo(),
        "logits": _map(0.5),
        "centres": _map(0.02),
        "offsets": _map(0.5),
        "borders": _map(0.02),
    }

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.eval()

    def maps(self, image: Tensor) -> DriveMaps:
        """The network's maps."""
        found: DriveMaps = self.network(image.permute(0, 3, 1, 2).float())
        return found

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        maps = self.maps(image)
        labels = full_size(maps.logits).argmax(1).to(torch.uint8)
        return labels, maps.logits, maps.centres.sigmoid(), maps.offsets, maps.borders.sigmoid()


class DeployedMaskRCNN(nn.Module):
    """Mask R-CNN as embedding code takes it.

    Image uint8 (1, h, w, 3) BGR → k detections, the best first, all 0 past the last one: boxes float32
    (1, k, 4) x0, y0, x1, y1 in pixels of the input, scores float32 (1, k), classes uint8 (1, k) ids of the
    `drive` set, masks float32 (1, k, 28, 28) probabilities over the box.
    """

    outputs: ClassVar = {
        "boxes": OutputInfo(dtype="float32", layout="NKD", tolerance=0.5),
        "scores": OutputInfo(dtype="float32", layout="NK", tolerance=0.01),
        "classes": OutputInfo(layout="NK"),
        "masks": OutputInfo(dtype="float32", layout="NKRC", tolerance=0.02),
    }

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("things", torch.tensor(DRIVE.thing_ids), persistent=False)
        self.eval()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        # TensorRT computes nothing in uint8: pixels leave it first of all, classes take it last of all.
        found: Detections = self.network(image.float().permute(0, 3, 1, 2))
        classes = self.get_buffer("things")[found.classes] * (found.scores > 0)
        return found.boxes, found.scores, classes.to(torch.uint8), found.masks


def to_onnx(deployed: Deployed | DeployedMaskRCNN) -> bytes:
    """The serialised ONNX graph, for any height and width that are multiples of `MULTIPLE`.

    Weights keep the names of the network's parameters, batch normalisation included, so that the network can
    be trained on from the graph alone. Runtimes fold the normalisation into the convolutions on loading.
    """
    sides = {axis + 1: MULTIPLE * torch.export.Dim(name) for axis, name in enumerate(("h", "w"))}
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it reports every optional package it misses
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of torch about itself
        program = torch.onnx.export(
            deployed,
            (torch.zeros((1, 6 * MULTIPLE, 8 * MULTIPLE, 3), dtype=torch.uint8),),
            dynamo=True,
            input_names=["image"],
            output_names=list(deployed.outputs),
            dynamic_shapes={"image": sides},
            opset_version=OPSET,
            optimize=False,  # it would fold the normalisation and lose the weights' names
            verbose=False,
        )
    assert program is not None  # the dynamo exporter always returns one
    optimizer.fold_constants(program.model, onnx_shape_inference=True)
    optimizer.remove_unused_nodes(program.model)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(program.model)
    model = program.model_proto
    for described in [
        model.graph,
        *model.graph.node,
        *model.graph.input,
        *model.graph.output,
        *model.graph.value_info,
        *model.graph.initializer,
    ]:
        described.ClearField("metadata_props")  # traces of the exporting machine's files
        described.ClearField("doc_string")
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
