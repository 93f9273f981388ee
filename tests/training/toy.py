"""A network without normalisation: what it learns of a batch does not depend on how that is shared.

As a program, under torchrun, it is the `perception` command with that network, and each process leaves its
weights in the run's folder.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from perception.app.cli import main
from perception.networks.export_wrapper import Deployed, DeployedSemantic
from perception.training.augmentation import View
from perception.training.config import TrainingConfig
from perception.training.loop import Trainer
from perception.training.losses.labels import LOSSES
from perception.training.tasks import TASKS, Batch
from perception.training.tasks.task import as_tensor


class ToyTask:
    losses: Mapping[str, float] = {"cross_entropy": 1.0}
    stride = 4

    def __init__(self, config: TrainingConfig) -> None:
        classes = len(config.class_set())
        self.network: nn.Module = nn.Sequential(
            nn.AvgPool2d(4), nn.Conv2d(3, 8, 3, padding=1), nn.Tanh(), nn.Conv2d(8, classes, 1)
        )
        self.deployed: Deployed = DeployedSemantic(nn.Sequential(self.network, nn.Upsample(scale_factor=4)))

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        return {"image": as_tensor(view.image), "bits": torch.from_numpy(view.target)}

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        logits = self.network(image / 255 - 0.5)
        return {name: LOSSES[name](logits, batch["bits"], class_weights) for name in names}


TASKS["toy"] = ToyTask


class _Leaving(Trainer):
    def train(self, minutes: float | None = None) -> Any:
        result = super().train(minutes)
        torch.save(self.network.state_dict(), self.folder / f"rank{distributed.get_rank()}.pt")
        return result


if __name__ == "__main__":
    from perception.training import loop

    loop.Trainer = _Leaving  # type: ignore[misc]
    main()
