"""Learning from another network's answers, on every pixel, labelled or not.

Hinton et al., "Distilling the knowledge in a neural network", 2015.
"""

from collections.abc import Collection
from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional as F

from perception.errors import ConfigError
from perception.networks.drive import OFFSET_UNIT, DriveMaps, DriveNet
from perception.training.checkpoint import load_weights, read_config
from perception.training.config import TrainingConfig

TEACHER_LOSSES = ("teacher_classes", "teacher_instances")
TEMPERATURE = 2.0  # of classes: above 1, what the teacher thinks next likely counts more


def class_distance(logits: Tensor, taught: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the student's classes from the teacher's, a pixel, times temperature².

    Logits (n, c, h, w). It is 0 where both are equal but for a constant.
    """
    student, teacher = (F.log_softmax(one / TEMPERATURE, 1) for one in (logits, taught))
    return TEMPERATURE**2 * (teacher.exp() * (teacher - student)).sum(1).mean()


def instance_distance(maps: DriveMaps, taught: DriveMaps, things: Tensor) -> Tensor:
    """How far centres, offsets and borders are from the teacher's; 0 where they are equal.

    Centres count everywhere, as quality focal loss (Li et al., "Generalized focal loss", 2020) for each of
    the teacher's peaks; offsets (in units of the network) and borders as far as the teacher sees a thing.
    `things` are class ids.
    """
    peaks = taught.centres.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(maps.centres, peaks, reduction="none")
    centres = (entropy * (peaks - maps.centres.sigmoid()).square()).sum() / peaks.sum().clamp(min=1)
    seen = taught.logits.softmax(1)[:, things].sum(1, keepdim=True)
    total = seen.sum().clamp(min=1)
    offsets = ((maps.offsets - taught.offsets).abs() * seen).sum() / OFFSET_UNIT / total
    gap = (maps.borders.sigmoid() - taught.borders.sigmoid()).square()
    return centres + offsets + (gap * seen).sum() / total


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
    from perception.training.tasks import make_task  # noqa: PLC0415 - tasks measure by these distances

    network: nn.Module = DriveNet(classes, things)  # a bundle's
    if not path.is_dir():
        config = read_config(path)
        task = make_task(config)
        if "teacher_classes" not in task.losses:
            raise ConfigError(f"{path}: a {config.network} cannot teach; give a drive network's checkpoint")
        network = task.network
    load_weights(network, path)
    return network.eval().requires_grad_(False)
