"""The teacher of a network that learns from another one."""

from collections.abc import Collection
from pathlib import Path

from torch import nn

from perception.errors import ConfigError
from perception.networks.drive_net import DriveNet
from perception.training.checkpoint import load_weights, read_config
from perception.training.config import TrainingConfig
from perception.training.losses.distillation import TEACHER_LOSSES
from perception.training.tasks import make_task


def choose_teacher(path: Path | None, losses: Collection[str], config: TrainingConfig) -> nn.Module | None:
    """The teacher of a recipe with these losses.

    Raises:
        ConfigError: a loss needs one and there is none, or none needs the one that there is.
        DataError, BundleError: see `load_teacher`.
    """
    needed = sorted(set(losses) & set(TEACHER_LOSSES))
    if path is None and needed:
        raise ConfigError(f"losses: {', '.join(needed)} need a teacher; give --teacher")
    if path is not None and not needed:
        raise ConfigError(f"--teacher {path}: no loss of the recipe uses it; add {TEACHER_LOSSES[0]}")
    classes = config.class_set()
    return None if path is None else load_teacher(path, len(classes), len(classes.things))


def load_teacher(path: Path, classes: int, things: int) -> nn.Module:
    """The drive network of a checkpoint or a bundle, which answers and does not learn.

    Raises:
        ConfigError: the checkpoint is of a network that does not give the maps of the drive network.
        DataError, BundleError: its weights cannot be read, or do not fit the classes.
    """

    network: nn.Module = DriveNet(classes, things)  # a bundle's
    if not path.is_dir():
        config = read_config(path)
        task = make_task(config)
        if "teacher_classes" not in task.losses:
            raise ConfigError(f"{path}: a {config.network} cannot teach; give a drive network's checkpoint")
        network = task.network
    load_weights(network, path)
    return network.eval().requires_grad_(False)
