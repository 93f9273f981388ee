"""What a bundle says of a network that a recipe trains."""

from perception.bundle_info import BundleDescription, ClassesInfo, InputInfo, Metric, TrainingInfo
from perception.networks.deployed import Deployed
from perception.training.config import TrainingConfig
from perception.training.datasets import public_name

MULTIPLE = 32  # the encoders halve five times
TERMS = "the terms of every data set above hold for the weights; several of them allow research only"


def describe(
    config: TrainingConfig,
    deployed: Deployed,
    *,
    name: str | None = None,
    version: str = "0",
    pixels: int | None = None,
    metrics: tuple[Metric, ...] = (),
) -> BundleDescription:
    """The description of a bundle, all but its checksums.

    Args:
        name: of the bundle; None: the recipe's.
        pixels: of the network's input; None: what it is trained at.
    """
    classes = config.class_set()
    return BundleDescription(
        name=name or config.name,
        version=version,
        classes=ClassesInfo(
            name=classes.name, names=classes.names, colours=classes.colours, things=classes.things
        ),
        input=InputInfo(
            multiple=MULTIPLE, pixels=pixels or config.pixels, frames=deployed.frames, size=deployed.size
        ),
        outputs=deployed.outputs,
        key_points=deployed.key_points,
        training=TrainingInfo(data=tuple(public_name(d.source) for d in config.train), licence=TERMS),
        metrics=metrics,
    )
