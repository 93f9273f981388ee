"""What a bundle says of a network that a recipe trains."""

from collections.abc import Mapping

import torch
from torch.utils.flop_counter import FlopCounterMode

from perception.bundle.manifest import (
    BundleDescription,
    ClassesInfo,
    InputInfo,
    Metric,
    NetworkInfo,
    TrainingInfo,
)
from perception.datasets.dataset import public_name
from perception.networks.export_wrapper import Deployed
from perception.resample import input_size
from perception.training.config import TrainingConfig

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
    network: NetworkInfo | None = None,
    checks: Mapping[str, str] | None = None,
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
        outputs=dict(deployed.outputs),
        key_points=deployed.key_points,
        network=network,
        checks=dict(checks or {}),
        training=TrainingInfo(data=tuple(public_name(d.source) for d in config.train), licence=TERMS),
        metrics=metrics,
    )


def count(config: TrainingConfig, deployed: Deployed, pixels: int) -> NetworkInfo:
    """The size of a network, and what it costs at the size that it gives a frame of 4:3 or its one size."""
    size = deployed.size or input_size(3, 4, pixels, MULTIPLE)
    image = torch.zeros((1, 3 * deployed.frames, *size))
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        deployed.network(image)
    return NetworkInfo(
        name=config.network,
        parameters=sum(parameter.numel() for parameter in deployed.network.parameters()),
        gmacs=round(counter.get_total_flops() / 2e9, 3),
        size=size,
    )
