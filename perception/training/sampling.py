"""The stream of training samples: a weighted mix of data sets, the same for the same seed."""

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from perception.datasets.corruptions import CORRUPTIONS
from perception.datasets.dataset import Dataset, Sample
from perception.training.augmentation import STRIDE, View, paste, photometric, random_view
from perception.training.bonnet import with_bonnet
from perception.training.config import TrainingConfig
from perception.training.survey import each_sample
from perception.training.tasks.task import Batch, Task
from perception.types import Image

# The corruptions that views are shown in, up to this severity; others hide the road users or their colours.
KINDS = (
    "gaussian_noise", "shot_noise", "motion_blur", "defocus_blur", "rain", "fog", "snow", "night", "glare",
    "over_exposure", "low_contrast", "jpeg",
)  # fmt: skip
MOST_SEVERE = 2


class Reduced:
    """A data set whose frames are reduced where they are larger than training will ever see them."""

    def __init__(self, dataset: Dataset, *, pixels: int) -> None:
        self.name, self.dataset, self.pixels = dataset.name, dataset, pixels

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Sample:
        return _reduced(self.dataset[index], self.pixels)


class Cached:
    """A data set held decoded in memory, reduced where it is larger than training will ever see it.

    Raises:
        DataError: see `survey.each_sample`.
    """

    def __init__(self, dataset: Dataset, *, pixels: int) -> None:
        self.name = dataset.name
        self.samples = [_reduced(sample, pixels) for sample in each_sample(dataset)]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


class Mix:
    """View i of the run, for any i: which frame and which part of it follow from (seed, i) alone."""

    def __init__(self, datasets: list[Cached], config: TrainingConfig, *, stride: int = STRIDE) -> None:
        self.datasets = datasets
        self.config = config
        self.stride = stride
        weights = np.array([entry.weight for entry in config.train])
        self.shares = weights / weights.sum()
        # Road users are copied from the sets that have instances, each as often as it is drawn.
        knows = [any(sample.instances.any() for sample in d.samples) for d in datasets]
        self.donors = [d for d, known in zip(datasets, knows, strict=True) if known]
        self.donor_shares = weights[knows] / max(weights[knows].sum(), 1e-9)
        self.classes = config.class_set()

    def __len__(self) -> int:
        return self.config.steps * self.config.batch

    def view(self, index: int) -> View:
        rng = np.random.default_rng([self.config.seed, index])
        view = self._draw(self.datasets[int(rng.choice(len(self.datasets), p=self.shares))], rng)
        if self.donors and rng.random() < self.config.paste:
            donor = self.donors[int(rng.choice(len(self.donors), p=self.donor_shares))]
            view = paste(view, self._draw(donor, rng), rng)
        if rng.random() < self.config.bonnets:
            view = with_bonnet(view, rng, self.classes)
        image = view.image
        if rng.random() < self.config.corrupted:
            kind = CORRUPTIONS[KINDS[int(rng.integers(len(KINDS)))]]
            image = kind(image, int(rng.integers(1, MOST_SEVERE + 1)), rng)
        return replace(view, image=photometric(image, rng) if self.config.photometric else image)

    def _draw(self, dataset: Cached, rng: np.random.Generator) -> View:
        sample = dataset[int(rng.integers(len(dataset)))]
        c = self.config
        return random_view(sample, rng, crop=c.crop, scale=c.scale, pixels=c.pixels, stride=self.stride)

    def class_weights(self, classes: int, samples: int = 400) -> Tensor:
        """ENet's weights 1 / ln(1.02 + p) (Paszke et al., 2016), scaled to mean 1; p from full labels."""
        counts = np.zeros(classes)
        for i in range(samples):
            bits = self.view(i).target
            counts += [np.count_nonzero(bits == 1 << c) for c in range(classes)]
        weights = 1 / np.log(1.02 + counts / max(counts.sum(), 1))
        return torch.from_numpy(weights / weights.mean()).float()


def _reduced(sample: Sample, pixels: int) -> Sample:
    """At most four times the pixels of the network's input: twice its width and height."""
    sample = replace(sample, truth=None)  # which would hold whole simulated worlds
    height, width = sample.image.shape[:2]
    factor = np.sqrt(4 * pixels / (height * width))
    if factor >= 1:
        return sample
    size = (round(width * factor), round(height * factor))

    def picture(image: Image) -> Image:
        return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8)

    def ids(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        # Exact: at the centres of pixels, as the picture's means are; plain, at their upper left corners.
        return cv2.resize(array, size, interpolation=cv2.INTER_NEAREST_EXACT).astype(array.dtype)

    def points(array: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        kinds, places, sizes = array[:, :1], array[:, 1:3], array[:, 3:]
        return np.hstack([kinds, (places + 0.5) * np.float32(factor) - 0.5, sizes * np.float32(factor)])

    return replace(
        sample,
        image=picture(sample.image),
        target=ids(sample.target.astype(np.int32)).astype(np.uint32),  # cv2 knows no uint32
        instances=ids(sample.instances),
        earlier=tuple(map(picture, sample.earlier)),
        picture=None if sample.picture is None else picture(sample.picture),
        depth=None if sample.depth is None else ids(sample.depth),
        key_points=None if sample.key_points is None else points(sample.key_points),
    )


class Batches(TorchDataset[Batch]):
    """The samples of a run from one on, as the task asks for them."""

    def __init__(self, mix: Mix, task: Task, start: int) -> None:
        self.mix, self.task, self.start = mix, task, start

    def __len__(self) -> int:
        return len(self.mix) - self.start

    def __getitem__(self, index: int) -> Batch:
        number = self.start + index
        rng = np.random.default_rng([self.mix.config.seed, number, 1])
        return self.task.encode(self.mix.view(number), rng)
