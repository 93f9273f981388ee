"""Classes, by any network of the model zoo."""

import inspect
from collections.abc import Iterable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from perception.errors import ConfigError
from perception.networks.export_wrapper import DeployedSemantic
from perception.networks.zoo.table import MODEL_ZOO
from perception.training.augmentation import View
from perception.training.config import TrainingConfig
from perception.training.losses.labels import LOSSES
from perception.training.tasks.task import Batch, as_tensor


class SemanticTask:
    losses: ClassVar = dict.fromkeys(LOSSES, 0.0) | {"cross_entropy": 1.0}
    stride = 1

    def __init__(self, config: TrainingConfig) -> None:
        build = MODEL_ZOO[config.network]
        options = {}
        if config.output_stride is not None:
            if "output_stride" not in inspect.signature(build).parameters:
                raise ConfigError(f"output_stride: {config.network} has no atrous encoder; leave it out")
            options["output_stride"] = config.output_stride
        self.network: nn.Module = build(len(config.class_set()), config.width, **options)
        self.deployed = DeployedSemantic(self.network)

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        return {"image": as_tensor(view.image), "bits": torch.from_numpy(view.target)}

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        logits: Tensor = self.network(image)
        return {name: LOSSES[name](logits, batch["bits"], class_weights) for name in names}
