"""Data sets of frames made worse, against their definitions."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from perception.datasets.degraded import cut, halved, night
from perception.datasets.opening import open_dataset
from perception.errors import DataError, SourceError


def write_frames(folder: Path, count: int, height: int = 96, width: int = 64) -> list[np.ndarray]:
    folder.mkdir(parents=True, exist_ok=True)
    images = [np.random.default_rng(i).integers(0, 256, (height, width, 3), np.uint8) for i in range(count)]
    for i, image in enumerate(images):
        cv2.imwrite(str(folder / f"{i}.png"), image)
    return images


def test_night_noise_is_poisson_and_gaussian() -> None:
    """Of a flat frame: the mean stays, and the variance is that of the law, in linear light."""
    levels = {}
    for seed in range(6):
        noisy, clean = night(np.full((200, 200, 3), 230, np.uint8), np.random.default_rng(seed))
        assert np.ptp(clean) == 0
        assert 0 < clean[0, 0, 0] < 230
        rng = np.random.default_rng(seed)
        exposure, electrons, read = (
            np.exp(rng.uniform(np.log(a), np.log(b))) for a, b in ((0.03, 0.4), (300, 3000), (2, 6))
        )
        assert clean[0, 0, 0] == round(230 * exposure ** (1 / 2.2))
        light = (clean[0, 0, 0] / 255) ** 2.2
        found = electrons * (noisy / 255) ** 2.2  # in electrons
        expected = np.hypot(np.sqrt(electrons * light), read)
        if electrons * light > 3 * expected:  # else darkness cuts the noise off at 0
            assert found.mean() == pytest.approx(electrons * light, rel=0.03)
            assert found.std() == pytest.approx(expected, rel=0.05)
            levels[seed] = expected
    assert len(levels) >= 3


def test_noisy_keeps_labels_and_is_the_same_each_time(tmp_path: Path) -> None:
    images = write_frames(tmp_path / "val", 2)
    for i in range(2):
        (tmp_path / "valannot").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "valannot" / f"{i}.png"), np.full((96, 64), 8, np.uint8))
    plain, noisy = (open_dataset(f"{kind}camvid:{tmp_path / 'val'}") for kind in ("", "noisy:"))
    sample, again = noisy[1], noisy[1]
    assert (sample.target == plain[1].target).all()
    assert (sample.image == again.image).all()
    assert sample.picture is not None
    assert sample.picture.mean() < 0.75 * images[1].mean()
    assert (noisy[0].image != noisy[1].image).any()


def test_small_is_the_mean_of_each_four_pixels(tmp_path: Path) -> None:
    (image,) = write_frames(tmp_path, 1, 130, 70)
    sample = open_dataset(f"small:{tmp_path}")[0]
    middle = image[1:129, 3:67]  # sides of 128 and 64: multiples of 64
    assert sample.picture is not None
    assert (sample.picture == middle).all()
    means = middle.reshape(64, 2, 32, 2, 3).mean((1, 3))
    assert sample.image.shape == (64, 32, 3)
    assert np.abs(sample.image - means).max() <= 0.5


def test_same(tmp_path: Path) -> None:
    images = write_frames(tmp_path, 3)
    dataset = open_dataset(f"same:{tmp_path}")
    assert len(dataset) == 3
    for index in (0, 2, 1):  # backwards, too
        sample = dataset[index]
        assert sample.name == str(index)
        assert (sample.image == images[index]).all()
        assert sample.picture is sample.image
        assert not sample.target.any()


def test_next(tmp_path: Path) -> None:
    images = write_frames(tmp_path, 4)
    dataset = open_dataset(f"next:{tmp_path}")
    assert len(dataset) == 2
    for index in (1, 0):
        sample = dataset[index]
        (older,) = sample.earlier
        for found, wanted in zip(
            (older, sample.image, sample.picture), images[index : index + 3], strict=True
        ):
            assert found is not None
            assert np.array_equal(found, wanted)


def test_next_of_a_simulated_drive_follows_it() -> None:
    dataset = open_dataset("next:sim:?seed=1&frames=4&size=128x64&rate=10")
    source = open_dataset("same:sim:?seed=1&frames=1&size=128x64&rate=10")[0]
    assert len(dataset) == 2
    assert np.array_equal(dataset[0].earlier[0], source.image)  # frame 0 of drive 1 is the same in both
    predicted = dataset[0].picture
    assert predicted is not None
    assert np.array_equal(predicted, dataset[1].image)


def test_what_cannot_be_used(tmp_path: Path) -> None:
    write_frames(tmp_path / "two", 2)
    with pytest.raises(DataError, match="at least three"):
        open_dataset(f"next:{tmp_path / 'two'}")
    write_frames(tmp_path / "mixed", 2)
    write_frames(tmp_path / "mixed" / "x", 3, 128)
    (tmp_path / "mixed" / "x" / "2.png").rename(tmp_path / "mixed" / "2.png")
    with pytest.raises(DataError, match="several sizes"):
        open_dataset(f"next:{tmp_path / 'mixed'}")[0]
    (tmp_path / "two" / "0.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="needs every frame"):
        open_dataset(f"noisy:{tmp_path / 'two'}")
    with pytest.raises(SourceError, match="no such"):
        open_dataset("noisy:nowhere.mp4")
    with pytest.raises(DataError, match="below 32x32"):
        cut(np.zeros((20, 40, 3), np.uint8), 32)


def test_halved() -> None:
    image = np.array([[[1], [3]], [[5], [7]]], np.uint8).repeat(3, 2)
    assert halved(image).tolist() == [[[4, 4, 4]]]
