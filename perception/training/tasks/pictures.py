"""Pictures out of pictures: codes that keep them, noise removed, size doubled, the next one predicted."""

from collections.abc import Iterable
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from perception.datasets.degraded import halved, night
from perception.errors import ConfigError, DataError
from perception.networks.export_wrapper import Deployed
from perception.networks.zoo.autoencoder import (
    ConvolutionalAutoencoder,
    DeployedAutoencoder,
    FullyConnectedAutoencoder,
)
from perception.networks.zoo.denoiser import Denoiser
from perception.networks.zoo.next_frame import FRAMES, NextFrame
from perception.networks.zoo.pictures import DeployedPicture
from perception.networks.zoo.super_resolution import SCALE, SuperResolution
from perception.training.augmentation import View
from perception.training.config import TrainingConfig
from perception.training.losses.pictures import PICTURE_LOSSES
from perception.training.tasks.task import Batch, as_tensor
from perception.types import Image

NOISE = 20.0  # levels; up to so much Gaussian noise is what an autoencoder has to see through


class PictureTask:
    """What the tasks below share: a picture comes out, and is compared with the one that should."""

    losses: ClassVar = {"l1": 1.0, "mse": 0.0, "ssim": 0.0}
    stride = 1

    def __init__(self, network: nn.Module, deployed: Deployed) -> None:
        self.network = network
        self.deployed = deployed

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        picture, truth = self.network(image), batch["picture"].float()
        return {name: PICTURE_LOSSES[name](picture, truth) for name in names}


class AutoencoderTask(PictureTask):
    """A code that the picture can be drawn from; learnt from noisy ones, it is of what matters in them."""

    losses: ClassVar = {"l1": 0.0, "mse": 1.0, "ssim": 0.0}

    def __init__(self, config: TrainingConfig) -> None:
        network = ConvolutionalAutoencoder(config.width)
        super().__init__(network, DeployedAutoencoder(network))

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        picture = _whole(view)
        noisy = picture + rng.normal(0, rng.uniform(0, NOISE), picture.shape)
        return {"image": as_tensor(np.clip(noisy, 0, 255).astype(np.uint8)), "picture": as_tensor(picture)}


class FullyConnectedAutoencoderTask(AutoencoderTask):
    """The same by a network of one input size, which is the recipe's crop."""

    def __init__(self, config: TrainingConfig) -> None:
        network = FullyConnectedAutoencoder(config.width, size=config.crop)
        PictureTask.__init__(self, network, DeployedAutoencoder(network, config.crop))


class DenoiseTask(PictureTask):
    """Frames as at night, without their noise, and as dark."""

    def __init__(self, config: TrainingConfig) -> None:
        network = Denoiser(config.width)
        super().__init__(network, DeployedPicture(network))

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        noisy, clean = night(_whole(view), rng)
        return {"image": as_tensor(noisy), "picture": as_tensor(clean)}


class SuperResolutionTask(PictureTask):
    """Views at twice the size of what is shown, whose crop has sides of multiples of 64 px."""

    def __init__(self, config: TrainingConfig) -> None:
        if any(side % 64 for side in config.crop):
            raise ConfigError(
                f"crop: {config.crop} is shown at half its size, and so needs sides of multiples of 64"
            )
        if small := [entry.source for entry in config.train if entry.source.startswith("small:")]:
            raise ConfigError(f"train: {small[0]} is for validation; train on whole frames, as of same:")
        network = SuperResolution(config.width)
        super().__init__(network, DeployedPicture(network, scale=SCALE))

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        picture = _whole(view)
        return {"image": as_tensor(halved(picture)), "picture": as_tensor(picture)}


class NextFrameTask(PictureTask):
    """The frame that follows the two that are shown."""

    def __init__(self, config: TrainingConfig) -> None:
        if config.photometric:
            raise ConfigError("photometric: give false; the next frame would be augmented otherwise")
        network = NextFrame(config.width)
        super().__init__(network, DeployedPicture(network, frames=FRAMES))

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        if view.picture is None or len(view.earlier) != FRAMES - 1:
            raise DataError("a training set has no frames that follow one another; train on next:… alone")
        return {"image": as_tensor(*view.earlier, view.image), "picture": as_tensor(view.picture)}


def _whole(view: View) -> Image:
    """What the view shows before anything is taken from it."""
    return view.image if view.picture is None else view.picture
