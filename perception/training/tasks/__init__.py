"""The tasks: which network a recipe trains, and for what."""

from collections.abc import Callable

from perception.errors import ConfigError
from perception.networks.zoo.table import MODEL_ZOO
from perception.training.config import TrainingConfig
from perception.training.tasks.depth import DepthTask
from perception.training.tasks.drive import DriveTask, DualResolutionTask
from perception.training.tasks.key_points import KeyPointsTask
from perception.training.tasks.mask_rcnn import MaskRCNNTask
from perception.training.tasks.pictures import (
    AutoencoderTask,
    DenoiseTask,
    FullyConnectedAutoencoderTask,
    NextFrameTask,
    SuperResolutionTask,
)
from perception.training.tasks.semantic import SemanticTask
from perception.training.tasks.task import Batch, Task

__all__ = ["TASKS", "Batch", "Task", "make_task"]

TASKS: dict[str, Callable[[TrainingConfig], Task]] = {
    "drive": DriveTask,
    "dual-resolution": DualResolutionTask,
    "mask-rcnn": MaskRCNNTask,
    "depth": DepthTask,
    "hourglass": KeyPointsTask,
    "autoencoder": AutoencoderTask,
    "autoencoder-fc": FullyConnectedAutoencoderTask,
    "denoise": DenoiseTask,
    "super-resolution": SuperResolutionTask,
    "next-frame": NextFrameTask,
    **dict.fromkeys(MODEL_ZOO, SemanticTask),
}


def make_task(config: TrainingConfig) -> Task:
    """The task of a recipe's network. Raises ConfigError where there is no such network."""
    if config.network not in TASKS:
        raise ConfigError(f"network: {config.network!r} is not known; there are: {', '.join(TASKS)}")
    return TASKS[config.network](config)
