"""Several processes that train one network: each takes its share of every batch (torchrun starts them).

Li et al., "PyTorch Distributed: Experiences on Accelerating Data Parallel Training", 2020.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.utils.data import Sampler

from perception.errors import ConfigError
from perception.training.tasks import Batch, Task

PATIENCE = timedelta(hours=2)  # the others wait while the first validates


@dataclass(frozen=True)
class Ranks:
    """Which of `size` processes this one is; the first alone writes and validates."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        return self.rank == 0

    def share(self, batch: int) -> int:
        """How many samples of a batch are this process's. Raises ConfigError where they cannot be shared."""
        if batch % self.size:
            raise ConfigError(
                f"batch: {batch} cannot be shared by {self.size} processes; use a multiple of it"
            )
        return batch // self.size

    def wrap(self, task: Task) -> "Losses | nn.parallel.DistributedDataParallel":
        """The losses of a task, whose gradients are means over all processes."""
        if self.size == 1:
            return Losses(task)
        if self.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(task.network)  # type: ignore[no-untyped-call]
        # A recipe may leave out losses, and with them a head of the network.
        return nn.parallel.DistributedDataParallel(Losses(task), find_unused_parameters=True)

    def mean(self, values: Tensor) -> Tensor:
        """The mean of a tensor over all processes."""
        values = values.detach().clone()
        if self.size > 1:
            distributed.all_reduce(values)
        return values / self.size


class Losses(nn.Module):
    """A task's losses as a module: whatever wraps it sees every use of the network."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.network = task.network
        self._task = task

    def forward(
        self, names: Iterable[str], image: Tensor, batch: Batch, weights: Tensor | None
    ) -> dict[str, Tensor]:
        return self._task.measure(names, image, batch, weights)


class Share(Sampler[int]):
    """The numbers of one process's samples, batch after batch, of the batches that all work on together."""

    def __init__(self, samples: int, batch: int, ranks: Ranks) -> None:
        self.samples, self.batch, self.ranks = samples, batch, ranks

    def __len__(self) -> int:
        return self.samples // self.ranks.size

    def __iter__(self) -> Iterator[int]:
        mine = self.ranks.share(self.batch)
        for first in range(self.ranks.rank * mine, self.samples, self.batch):
            yield from range(first, first + mine)


def alone() -> Ranks:
    """A process that trains by itself, on the GPU if there is one."""
    return Ranks(torch.device("cuda" if torch.cuda.is_available() else "cpu"))


@contextmanager
def joined() -> Iterator[Ranks]:
    """One of the processes that torchrun started, while it works with the others; else one alone.

    Raises:
        ConfigError: there are GPUs, but fewer than processes on this machine.
    """
    if not distributed.is_torchelastic_launched():
        yield alone()
        return
    place, device = int(os.environ["LOCAL_RANK"]), torch.device("cpu")
    if torch.cuda.is_available():
        if place >= torch.cuda.device_count():
            raise ConfigError(
                f"process {place} of this machine has no GPU: there are {torch.cuda.device_count()}; "
                "lower torchrun's --nproc-per-node"
            )
        device = torch.device("cuda", place)
        torch.cuda.set_device(device)
    distributed.init_process_group("gloo" if device.type == "cpu" else "nccl", timeout=PATIENCE)
    try:
        yield Ranks(device, distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
