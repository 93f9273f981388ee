"""Key points of people, as heat maps."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.classes import DRIVE, KEY_POINTS
from perception.errors import DataError
from perception.evaluation.metrics.key_points import people_without
from perception.networks.export_wrapper import Deployed
from perception.networks.zoo.hourglass import STRIDE, DeployedKeyPoints, HourglassNet
from perception.training.augmentation import PASTED, View
from perception.training.config import TrainingConfig
from perception.training.tasks.task import Batch, as_tensor
from perception.types import Floats

SPREAD = 1.5  # cells; deviation of the Gaussian around a key point


class KeyPointsTask:
    losses: Mapping[str, float] = {"heat_maps": 1.0}
    stride = STRIDE

    def __init__(self, config: TrainingConfig) -> None:
        self.network: nn.Module = HourglassNet(len(KEY_POINTS), config.width)
        self.deployed: Deployed = DeployedKeyPoints(self.network)

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        points = view.key_points
        if points is None:
            raise DataError("a training set has no key points; train them on sim+key_points:?… alone")
        people = view.instances % PASTED // 1000 == DRIVE.id("pedestrian")
        known = ~people_without(points, view.instances, people, STRIDE)
        return {
            "image": as_tensor(view.image),
            "heat": torch.from_numpy(heat_maps(points, *view.instances.shape)),
            "known": torch.from_numpy(known[None]),
            "points": torch.tensor(float(len(points))),
        }

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        stacks: Tensor = self.network(image)
        loss = heat_loss(stacks, batch["heat"], batch["known"]).sum() / batch["points"].sum().clamp(min=1)
        return dict.fromkeys(names, loss / len(stacks))


def heat_maps(points: Floats, height: int, width: int) -> Floats:
    """Float32 (kinds, height, width) cells: 1 at each key point, falling off as a Gaussian.

    Points are (n, 4) as in a view, in pixels; they may lie between the middles of cells.
    """
    heat = np.zeros((len(KEY_POINTS), height, width), np.float32)
    rows, columns = np.arange(height)[:, None], np.arange(width)
    for kind, x, y, _ in points:
        away = (columns - ((x + 0.5) / STRIDE - 0.5)) ** 2 + (rows - ((y + 0.5) / STRIDE - 0.5)) ** 2
        np.maximum(heat[int(kind)], np.exp(-away / (2 * SPREAD**2)), out=heat[int(kind)])
    return heat


def heat_loss(logits: Tensor, heat: Tensor, known: Tensor) -> Tensor:
    """Quality focal loss of each cell, 0 where not `known`: Li et al., "Generalized focal loss", 2020, eq. 4.

    The paper of the hourglass takes squares, which few cells near a joint lose against the many without.
    This is least where the answer equals the heat map, too, so that its peaks keep their form. Logits
    (stacks, n, kinds, h, w), heat (n, kinds, h, w), known (n, 1, h, w).
    """
    heat, known = heat.expand_as(logits), known.expand_as(logits)
    entropy = F.binary_cross_entropy_with_logits(logits, heat, reduction="none")
    return entropy * (heat - logits.sigmoid()).square() * known
