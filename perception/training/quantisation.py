"""Training with the rounding of INT8 in it, where quantising afterwards costs too much.

Weights and activations take one of 256 values on the way forward, and gradients pass as if they were not
rounded (straight-through estimator): Jacob et al., "Quantization and training of neural networks for
efficient integer-arithmetic-only inference", 2018, section 3. Parameters keep their names and stay float.
"""

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOMENTUM = 0.01  # of the range of activations, over batches


class RoundingConv(nn.Conv2d):
    """A convolution whose weights are rounded per channel, and its input as one, as in the exported graph.

    A factor for each channel, such as that of the normalisation after it, changes nothing of the former: the
    rounded weights are those of the graph, in which the two are one.

    Attributes:
        low, high: the range of its input; NaN before the first batch. Not part of its state: see `ranges`.
    """

    low: Tensor
    high: Tensor

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self._observe(x.detach())
        if not self.low.isnan():
            step = (self.high - self.low) / 255
            zero = (-self.low / step).round().to(torch.int32)
            x = torch.fake_quantize_per_tensor_affine(x, step, zero, 0, 255)
        scale = self.weight.detach().abs().amax((1, 2, 3)).clamp(min=1e-8) / 127
        zeros = torch.zeros_like(scale, dtype=torch.int32)
        weight = torch.fake_quantize_per_channel_affine(self.weight, scale, zeros, 0, -127, 127)
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)

    def _observe(self, x: Tensor) -> None:
        for bound, value in ((self.low, x.amin().clamp(max=0)), (self.high, x.amax().clamp(min=1e-6))):
            bound.copy_(torch.where(bound.isnan(), value, bound.lerp(value, MOMENTUM)))


class FrozenNorm(nn.BatchNorm2d):
    """Batch normalisation by the statistics that it has, which in the graph are part of the weights."""

    def train(self, mode: bool = True) -> Self:
        return super().train(mode=False)


def round_in_training(network: nn.Module) -> None:
    """Let a trained network train on with the rounding of INT8 in all its convolutions, in place."""
    for module in network.modules():
        if type(module) is nn.Conv2d:
            module.__class__ = RoundingConv
            for name in ("low", "high"):
                module.register_buffer(name, torch.tensor(torch.nan), persistent=False)
        elif type(module) is nn.BatchNorm2d:
            module.__class__ = FrozenNorm


def ranges(network: nn.Module) -> dict[str, Tensor]:
    """The ranges of the inputs of all convolutions that round, for a checkpoint."""
    return {name: value for name, value in network.named_buffers() if _is_range(network, name)}


def load_ranges(network: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Go on with ranges from a checkpoint."""
    for name, value in values.items():
        network.get_buffer(name).copy_(value)


def _is_range(network: nn.Module, name: str) -> bool:
    owner, _, buffer = name.rpartition(".")
    return buffer in {"low", "high"} and isinstance(network.get_submodule(owner), RoundingConv)
