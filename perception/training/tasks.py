"""What a network is trained for: its targets, its losses, and what it makes of a frame."""

from collections.abc import Iterable
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from perception.classes import DRIVE
from perception.decode.boxes import group_by_boxes, thing_labels
from perception.decode.grouping import make_instances
from perception.decode.semantic import resize_ids
from perception.networks.drive import DriveMaps, DriveNet, full_size
from perception.networks.mask_rcnn import Detections, MaskRCNN
from perception.training.augment import View
from perception.training.detection import LOSS_NAMES, detection_losses
from perception.training.instance_targets import (
    border_loss,
    centre_loss,
    instance_targets,
    offset_loss,
)
from perception.training.losses import LOSSES

Batch = dict[str, Tensor]


class Task(Protocol):
    """The part of a training run that depends on the network.

    Attributes:
        network: takes float32 (n, 3, h, w) BGR 0..255.
        losses: names of the losses it can be trained by.
    """

    network: nn.Module
    losses: tuple[str, ...]

    def encode(self, view: View) -> Batch:
        """The targets of one view, as tensors without batch axis; runs in the loader's process."""
        ...

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        """The named losses, scalars, of a batch of images float32 (n, 3, h, w)."""
        ...

    def labels(self, image: Tensor, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Label map (height, width) of an image (1, 3, h, w), as the exported graph computes it."""
        ...


class DriveTask:
    """Classes and instances, by the flagship."""

    losses = (*LOSSES, "centres", "offsets", "borders")

    def __init__(self) -> None:
        self.network: nn.Module = DriveNet(len(DRIVE), len(DRIVE.things))

    def encode(self, view: View) -> Batch:
        return {"bits": torch.from_numpy(view.target), **instance_targets(view).tensors()}

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        maps: DriveMaps = self.network(image)
        return {name: self._loss(name, maps, batch, class_weights) for name in names}

    def labels(self, image: Tensor, height: int, width: int) -> npt.NDArray[np.uint8]:
        labels = full_size(self.network(image).logits).argmax(1)[0].to(torch.uint8)
        return resize_ids(labels.cpu().numpy(), height, width)

    @staticmethod
    def _loss(name: str, maps: DriveMaps, batch: Batch, class_weights: Tensor | None) -> Tensor:
        if name == "centres":
            return centre_loss(maps.centres, batch["centres"], batch["centre_mask"])
        if name == "offsets":
            return offset_loss(maps.offsets, batch["offsets"], batch["offset_weight"])
        if name == "borders":
            return border_loss(maps.borders, batch["borders"], batch["border_mask"])
        return LOSSES[name](maps.logits, batch["bits"], class_weights)


class MaskRCNNTask:
    """Instances, by the two-stage reference."""

    losses = LOSS_NAMES

    def __init__(self) -> None:
        self.network: nn.Module = MaskRCNN(len(DRIVE.things))

    def encode(self, view: View) -> Batch:
        return {"bits": torch.from_numpy(view.target), "instances": torch.from_numpy(view.instances)}

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        assert isinstance(self.network, MaskRCNN)
        losses = detection_losses(self.network, image, batch["bits"], batch["instances"])
        return {name: losses[name] for name in names}

    def labels(self, image: Tensor, height: int, width: int) -> npt.NDArray[np.uint8]:
        """Things alone: every other pixel is unknown."""
        found: Detections = self.network(image)
        boxes, scores, classes, masks = (tensor[0].cpu().numpy() for tensor in found)
        groups = group_by_boxes(boxes, scores, np.array(DRIVE.thing_ids)[classes], masks, *image.shape[2:])
        return thing_labels(make_instances(groups, height, width)[0])


TASKS: dict[str, type[DriveTask | MaskRCNNTask]] = {"drive": DriveTask, "mask-rcnn": MaskRCNNTask}
