"""Instances, by the two-stage reference."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from perception.errors import ConfigError
from perception.networks.zoo.mask_rcnn import DeployedMaskRCNN, MaskRCNN
from perception.training.augmentation import View
from perception.training.config import TrainingConfig
from perception.training.losses.detection import LOSS_NAMES, detection_losses
from perception.training.tasks.task import Batch, as_tensor


class MaskRCNNTask:
    losses: ClassVar = dict.fromkeys(LOSS_NAMES, 1.0)
    stride = 2

    def __init__(self, config: TrainingConfig) -> None:
        self._things = config.class_set().thing_ids
        if not self._things:
            raise ConfigError(
                f"network: mask-rcnn finds things alone, and {config.class_set().name} has none; "
                "mark classes as `thing: true`, or train another network"
            )
        self.network: nn.Module = MaskRCNN(len(self._things))
        self.deployed = DeployedMaskRCNN(self.network, self._things)

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        return {
            "image": as_tensor(view.image),
            "bits": torch.from_numpy(view.target),
            "instances": torch.from_numpy(view.instances),
        }

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        assert isinstance(self.network, MaskRCNN)
        losses = detection_losses(self.network, image, batch["bits"], batch["instances"], self._things)
        return {name: losses[name] for name in names}
