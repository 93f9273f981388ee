"""What a network is trained for: its targets, its losses, and what leaves torch."""

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from perception.networks.export_wrapper import Deployed
from perception.training.augmentation import View
from perception.types import Image

Batch = dict[str, Tensor]


class Task(Protocol):
    """The part of a training run that depends on the network.

    Attributes:
        network: takes float32 (n, 3 · frames, h, w) BGR 0..255.
        deployed: the network as it leaves torch; validation runs it too.
        losses: the losses it can be trained by, with their weights unless a recipe says otherwise; 0: not.
        stride: of the labels in a view.
    """

    @property
    def network(self) -> nn.Module: ...

    @property
    def deployed(self) -> Deployed: ...

    @property
    def losses(self) -> Mapping[str, float]: ...

    @property
    def stride(self) -> int: ...

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        """One view as tensors without batch axis; runs in the loader's process.

        "image", uint8 (3 · frames, h, w), is what the network is shown; all else is for `measure`.
        """
        ...

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        """The named losses, scalars, of a batch of images float32 (n, 3 · frames, h, w)."""
        ...


def as_tensor(*images: Image) -> Tensor:
    """Images uint8 (h, w, 3) one behind the other as uint8 (3 · images, h, w)."""
    return torch.from_numpy(np.concatenate(images, 2).transpose(2, 0, 1).copy())
