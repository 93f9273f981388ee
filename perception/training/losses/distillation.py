"""Learning from another network's answers, on every pixel, labelled or not.

Hinton et al., "Distilling the knowledge in a neural network", 2015.
"""

from torch import Tensor
from torch.nn import functional as F

from perception.networks.drive_net import OFFSET_UNIT, DriveMaps

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
