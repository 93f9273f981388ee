"""How the rate of learning goes over a run, and the moving average of its weights."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from perception.training.config import TrainingConfig

WARM_UP = 50  # steps of a trapezoid over which its rate rises


def parameter_groups(
    network: nn.Module, config: TrainingConfig, encoder_learnt: bool
) -> list[dict[str, object]]:
    """What has learnt before has its own rate; biases and normalisation are not decayed."""
    groups = []
    for learnt, rate in ((True, config.encoder_rate), (False, config.decoder_rate)):
        named = [
            p
            for name, p in network.named_parameters()
            if (encoder_learnt and name.startswith("encoder.")) == learnt
        ]
        groups.append({"params": [p for p in named if p.ndim > 1], "lr": rate})
        groups.append({"params": [p for p in named if p.ndim <= 1], "lr": rate, "weight_decay": 0.0})
    return groups


def make_schedule(
    optimiser: torch.optim.Optimizer, config: TrainingConfig
) -> torch.optim.lr_scheduler.LRScheduler:
    """The recipe's schedule, which scales the rates that the optimiser's groups have now."""
    if config.schedule == "trapezoid":
        return torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda step: trapezoid(step, config.steps, config.decay)
        )
    return torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        [g["lr"] for g in optimiser.param_groups],
        config.steps,
        pct_start=0.099,  # with 0.1 a run of ten steps would warm up over none, and divide by that
    )


def trapezoid(step: int, steps: int, decay: float) -> float:
    """Share of the highest rate: up over `WARM_UP` steps, constant, down to 0 over the last `decay` of them.

    Hägele et al., "Scaling laws and compute-optimal training beyond fixed training durations", 2024.
    """
    return max(0.0, min((step + 1) / WARM_UP, 1.0, (steps - step) / (decay * steps)))


class MovingAverage:
    """An exponential moving average of a network's parameters and of its normalisation's statistics."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights: dict[str, Tensor] = {k: v.detach().clone() for k, v in network.state_dict().items()}

    def load(self, weights: Mapping[str, Tensor]) -> None:
        """Go on from such an average, of any precision."""
        for name, value in weights.items():
            self.weights[name].copy_(value)

    @contextmanager
    def shown(self, network: nn.Module) -> Iterator[None]:
        """The network with these weights in place of its own."""
        own = {name: value.clone() for name, value in network.state_dict().items()}
        network.load_state_dict(self.weights)
        try:
            yield
        finally:
            network.load_state_dict(own)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after so many steps; the first ones are forgotten faster."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, share)
            else:
                self.weights[name].copy_(value)
