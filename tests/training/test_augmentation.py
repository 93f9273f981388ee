"""Random views keep image and target aligned."""

from dataclasses import replace

import numpy as np
import pytest

from perception.datasets.dataset import Sample
from perception.training.augmentation import random_view
from perception.training.sampling import _reduced


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


@pytest.mark.parametrize(
    ("height", "width", "scale"), [(720, 1280, 1.5), (1024, 2048, 1.5), (468, 832, 0.65), (720, 960, 1.0)]
)
def test_labels_lie_neither_above_nor_below_the_picture(height: int, width: int, scale: float) -> None:
    """Reduced and blurred or not: an edge of the picture is where that of its labels is, on average."""
    image, target = np.zeros((height, width, 3), np.uint8), np.ones((height, width), np.uint32)
    image[height // 2 + 1 :], target[height // 2 + 1 :] = 200, 2
    sample = _reduced(Sample("s", image, target, np.zeros((height, width), np.uint16)), 184320)
    off = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        seen = random_view(sample, rng, crop=(320, 64), scale=(scale, scale), pixels=184320)
        edge = 2 * int(np.argmax(seen.target[:, 16] == 2))
        if 10 <= edge <= 310:
            bright = seen.image[edge - 10 : edge + 10, 32, 0] / 200
            off.append((1 - bright).sum() - 10)  # the rows that are dark, to a part
    assert len(off) > 50
    assert abs(np.mean(off)) < 0.1


def test_points_are_reduced_with_the_picture() -> None:
    image = np.zeros((400, 800, 3), np.uint8)
    image[202:206, 302:306] = 255  # their middle is at 303.5, 203.5
    sample = Sample("s", image, np.ones((400, 800), np.uint32), np.zeros((400, 800), np.uint16))
    points = np.array([[3, 303.5, 203.5, 80]], np.float32)
    seen = _reduced(replace(sample, key_points=points), 20_000)
    assert seen.image.shape == (200, 400, 3) and seen.key_points is not None
    rows, columns = np.nonzero(seen.image[..., 0])
    np.testing.assert_allclose(seen.key_points, [[3, columns.mean(), rows.mean(), 40]])


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
