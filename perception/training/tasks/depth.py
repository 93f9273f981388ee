"""Depth from one image."""

import math
from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from perception.classes import FARTHEST
from perception.errors import DataError
from perception.networks.export_wrapper import Deployed
from perception.networks.zoo.depth import DeployedDepth, DepthNet
from perception.training.augmentation import View
from perception.training.config import TrainingConfig
from perception.training.tasks.task import Batch, as_tensor


class DepthTask:
    losses: Mapping[str, float] = {"log_depth": 1.0, "gradient": 0.5, "far": 0.5}
    stride = 1

    def __init__(self, config: TrainingConfig) -> None:
        self.network: nn.Module = DepthNet(config.width)
        self.deployed: Deployed = DeployedDepth(self.network)

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        if view.depth is None:
            raise DataError("a training set has no depth; train depth on sim+depth:?… alone")
        # What is in the frame and has no depth is beyond `FARTHEST`.
        far = (view.target != 0) & (view.depth == 0)
        return {
            "image": as_tensor(view.image),
            "depth": torch.from_numpy(view.depth),
            "far": torch.from_numpy(far),
        }

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        logs = self.network(image)[:, 0]
        error, known = log_error(logs, batch["depth"])
        losses = {
            "log_depth": lambda: scale_invariant(error, known),
            "gradient": lambda: gradient(error, known),
            "far": lambda: far(logs, batch["far"]),
        }
        return {name: losses[name]() for name in names}


def log_error(logs: Tensor, depth: Tensor) -> tuple[Tensor, Tensor]:
    """The error of logarithms (n, h, w) against depth in metres, and where that is known: above 0.

    Elsewhere the error is 0.
    """
    known = depth > 0
    return torch.where(known, logs - depth.clamp(min=1e-3).log(), 0.0), known


def scale_invariant(error: Tensor, known: Tensor, share: float = 0.5) -> Tensor:
    """Mean square less `share` of the squared mean, by image: Eigen et al., 2014, eq. 4.

    With a share of 1 a common factor on all depths of an image would cost nothing. (n, h, w) both.
    """
    count = known.sum((1, 2)).clamp(min=1)
    return (error.square().sum((1, 2)) / count - share * (error.sum((1, 2)) / count).square()).mean()


def gradient(error: Tensor, known: Tensor, scales: int = 4) -> Tensor:
    """Mean slope of the error between neighbours 1, 2, 4 and 8 pixels apart: sharp edges, smooth planes.

    Li & Snavely, "MegaDepth", 2018, eq. 4. (n, h, w) both.
    """
    total = error.new_zeros(())
    for step in (2**scale for scale in range(scales)):
        e, k = error[:, ::step, ::step], known[:, ::step, ::step]
        for axis in (1, 2):
            n = e.shape[axis] - 1
            both = k.narrow(axis, 0, n) & k.narrow(axis, 1, n)
            slope = (e.narrow(axis, 1, n) - e.narrow(axis, 0, n)).abs() * both
            total = total + slope.sum() / both.sum().clamp(min=1)
    return total / scales


def far(logs: Tensor, mask: Tensor) -> Tensor:
    """How much too near, in logarithms, that is said to be which is beyond `FARTHEST`; (n, h, w) both."""
    short = F.relu(math.log(FARTHEST) - logs) * mask
    return short.sum() / mask.sum().clamp(min=1)
