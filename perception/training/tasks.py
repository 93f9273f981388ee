"""What a network is trained for: its targets, its losses, and what it makes of a frame."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from perception.classes import DRIVE
from perception.decode.semantic import resize_ids
from perception.networks.drive import DriveMaps, DriveNet, full_size
from perception.training.augment import View
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

    def loss(self, name: str, output: object, batch: Batch, class_weights: Tensor | None) -> Tensor:
        """One loss of the network's output, a scalar."""
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

    def loss(self, name: str, output: object, batch: Batch, class_weights: Tensor | None) -> Tensor:
        assert isinstance(output, DriveMaps)
        if name == "centres":
            return centre_loss(output.centres, batch["centres"], batch["centre_mask"])
        if name == "offsets":
            return offset_loss(output.offsets, batch["offsets"], batch["offset_weight"])
        if name == "borders":
            return border_loss(output.borders, batch["borders"], batch["border_mask"])
        return LOSSES[name](output.logits, batch["bits"], class_weights)

    def labels(self, image: Tensor, height: int, width: int) -> npt.NDArray[np.uint8]:
        labels = full_size(self.network(image).logits).argmax(1)[0].to(torch.uint8)
        return resize_ids(labels.cpu().numpy(), height, width)


TASKS: dict[str, type[DriveTask]] = {"drive": DriveTask}
