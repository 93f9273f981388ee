"""Random views keep image and target aligned."""

import numpy as np
import pytest

from perception.datasets.dataset import Sample
from perception.training.augmentation import random_view


@pytest.mark.parametrize("seed", range(6))
def test_image_and_target_stay_aligned(seed: int) -> None:
    """Left half dark and class 0, right half bright and class 1: every view must show the two together."""
    image = np.zeros((120, 200, 3), np.uint8)
    image[:, 100:] = 200
    target = np.ones((120, 200), np.uint32)
    target[:, 100:] = 2
    seen = random_view(
        Sample("s", image, target, (4 * target).astype(np.uint16)),
        np.random.default_rng(seed),
        crop=(64, 96),
        scale=(0.8, 1.5),
        pixels=120 * 200,
    )
    bits = seen.target
    assert seen.image.shape == (64, 96, 3)
    assert bits.shape == (32, 48)
    assert np.array_equal(seen.instances, 4 * bits)
    grey = seen.image.mean(2).reshape(32, 2, 48, 2).mean((1, 3))
    dark, bright = grey[bits == 1], grey[bits == 2]
    if dark.size and bright.size:
        threshold = (np.median(dark) + np.median(bright)) / 2
        assert np.mean(np.concatenate([dark < threshold, bright > threshold])) > 0.97


def test_outside_the_frame_is_ignored() -> None:
    ones = np.ones((20, 20), np.uint16)
    sample = Sample("s", np.full((20, 20, 3), 255, np.uint8), ones.astype(np.uint32), ones)
    view = random_view(sample, np.random.default_rng(0), crop=(64, 64), scale=(1, 1), pixels=400)
    bits = view.target
    assert 0.05 < np.mean(bits == 1) < 0.15  # 20·20 of 64·64
    assert set(np.unique(bits)) == {0, 1}


def test_same_seed_same_view() -> None:
    ones = np.ones((60, 80), np.uint16)
    sample = Sample(
        "s", np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8), ones.astype(np.uint32), ones
    )
    views = [
        random_view(sample, np.random.default_rng([3, 5]), crop=(32, 32), scale=(0.6, 1.7), pixels=4800)
        for _ in range(2)
    ]
    assert np.array_equal(views[0].image, views[1].image)
    assert np.array_equal(views[0].target, views[1].target)
