"""Flicker counts classes that change, not what moves."""

import numpy as np

from perception.evaluation.metrics.flicker import Flicker


def texture(height: int = 96, width: int = 160) -> np.ndarray:
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (height // 4 + 8, width // 4 + 8), np.uint8)
    return np.repeat(np.repeat(coarse, 4, 0), 4, 1)[..., None].repeat(3, 2)


def test_a_still_picture_counts_every_changed_pixel() -> None:
    picture, before = texture()[:96, :160], np.full((96, 160), 3, np.uint8)
    after = before.copy()
    after[10:30, 40:60] = 8
    flicker = Flicker()
    for labels in (before, after, after):
        flicker.add(picture, labels)
    assert (flicker.counts.followed, flicker.counts.changed) == (2 * 96 * 160, 400)
    assert flicker.counts.share == 400 / (2 * 96 * 160)


def test_a_border_may_be_a_pixel_off() -> None:
    picture, before, after = texture()[:96, :160], *np.full((2, 96, 160), 3, np.uint8)
    before[:, 80:], after[:, 81:] = 8, 8
    flicker = Flicker()
    flicker.add(picture, before)
    flicker.add(picture, after)
    assert flicker.counts.changed == 0
    after[:, 79:] = 3
    after[:, 83:] = 8
    flicker = Flicker()
    flicker.add(picture, before)
    flicker.add(picture, after)
    assert flicker.counts.changed == 2 * 96  # columns 81 and 82, as 80 is next to the old border


def test_what_moves_with_the_picture_does_not_flicker() -> None:
    picture, labels = texture(), np.full((128, 192), 3, np.uint8)
    labels[40:80, 60:120] = 8
    flicker = Flicker()
    for shift in (0, 4, 8):
        window = np.s_[shift : shift + 96, shift : shift + 160]
        flicker.add(np.ascontiguousarray(picture[window]), np.ascontiguousarray(labels[window]))
    assert flicker.counts.followed > 2 * 0.7 * 96 * 160
    assert flicker.counts.share < 0.002


def test_another_size_begins_another_drive() -> None:
    flicker = Flicker()
    flicker.add(texture()[:96, :160], np.zeros((96, 160), np.uint8))
    flicker.add(texture()[:64, :160], np.ones((64, 160), np.uint8))
    assert flicker.counts.followed == 0
    assert flicker.counts.share == 0
