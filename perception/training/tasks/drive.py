"""Classes and instances, by the flagship."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from perception.networks.drive_net import DriveMaps, DriveNet
from perception.networks.dual_resolution import DualResolutionNet
from perception.networks.export_wrapper import Deployed, DeployedDrive, DeployedDriveClasses
from perception.training.augmentation import View
from perception.training.config import TrainingConfig
from perception.training.losses.distillation import class_distance, instance_distance, unlabelled_distance
from perception.training.losses.instances import border_loss, centre_loss, instance_targets, offset_loss
from perception.training.losses.labels import LOSSES
from perception.training.tasks.task import Batch, as_tensor


class DriveTask:
    losses: Mapping[str, float] = dict.fromkeys(LOSSES, 0.0) | {
        "cross_entropy": 1.0,
        "lovasz": 0.5,
        "centres": 1.0,
        "offsets": 1.0,
        "borders": 0.5,
        "teacher_classes": 0.0,
        "teacher_instances": 0.0,
        "teacher_unlabelled": 0.0,
    }
    stride = 2

    def __init__(self, config: TrainingConfig) -> None:
        classes = config.class_set()
        self._things = classes.thing_ids
        self.network: nn.Module = self._build(len(classes), max(len(self._things), 1), config)
        self.teacher: nn.Module | None = None
        self.deployed: Deployed = DeployedDrive(self.network)
        if not self._things:
            self.losses = {name: self.losses[name] for name in LOSSES}
            self.deployed = DeployedDriveClasses(self.network)

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        batch = {"image": as_tensor(view.image), "bits": torch.from_numpy(view.target)}
        return batch | instance_targets(view, self._things).tensors() if self._things else batch

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        maps: DriveMaps = self.network(image)
        losses = {}
        if self.teacher is not None:
            with torch.no_grad():
                taught: DriveMaps = self.teacher(image)
            things = torch.tensor(self._things, device=image.device)
            losses["teacher_classes"] = class_distance(maps.logits, taught.logits)
            losses["teacher_instances"] = instance_distance(maps, taught, things)
            losses["teacher_unlabelled"] = unlabelled_distance(maps, taught, batch["bits"])
        return {
            name: losses[name] if name in losses else self._loss(name, maps, batch, class_weights)
            for name in names
        }

    @staticmethod
    def _build(classes: int, things: int, config: TrainingConfig) -> nn.Module:
        return DriveNet(classes, things)

    @staticmethod
    def _loss(name: str, maps: DriveMaps, batch: Batch, class_weights: Tensor | None) -> Tensor:
        if name == "centres":
            return centre_loss(maps.centres, batch["centres"], batch["centre_mask"])
        if name == "offsets":
            return offset_loss(maps.offsets, batch["offsets"], batch["offset_weight"])
        if name == "borders":
            return border_loss(maps.borders, batch["borders"], batch["border_mask"])
        return LOSSES[name](maps.logits, batch["bits"], class_weights)


class DualResolutionTask(DriveTask):
    """The same by the network of plain convolutions."""

    @staticmethod
    def _build(classes: int, things: int, config: TrainingConfig) -> nn.Module:
        return DualResolutionNet(classes, things, config.width)
