"""Each corruption does what its name says, by figures that do not come from its code."""

import cv2
import numpy as np
import pytest

from perception.datasets import corruptions
from perception.datasets.corruptions import BLOCK, CORRUPTIONS, MUD, SEVERITIES
from perception.errors import ConfigError
from perception.simulation import Drive, parse_options
from perception.types import Image

EVERY = pytest.mark.parametrize("name", CORRUPTIONS)


@pytest.fixture(scope="module")
def street() -> Image:
    return Drive(parse_options("seed=3&size=256x144&weather=clear&time=day")).render(5).image


@pytest.fixture(scope="module")
def grey() -> Image:
    return np.full((200, 200, 3), 128, np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def psnr(one: Image, other: Image) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(float) - other) ** 2)))


def gradient(image: Image) -> float:
    return float(np.abs(np.diff(image.astype(float), axis=0)).mean())


def test_there_are_fifteen_of_five_severities() -> None:
    assert len(CORRUPTIONS) == 15
    assert SEVERITIES == (1, 2, 3, 4, 5)


@EVERY
@pytest.mark.parametrize("size", [(90, 160), (61, 97)])  # sides that are no multiples of a macroblock
def test_keeps_size_and_type_and_repeats(name: str, size: tuple[int, int]) -> None:
    image = rng().integers(0, 256, (*size, 3), np.uint8)
    before = image.copy()
    for severity in (1, 5):
        seen = CORRUPTIONS[name](image, severity, rng(7))
        assert seen.dtype == np.uint8
        assert seen.shape == image.shape
        assert (seen == CORRUPTIONS[name](image, severity, rng(7))).all()
    assert (image == before).all()


@EVERY
def test_each_severity_is_worse_than_the_one_before(name: str, street: Image) -> None:
    means = [
        np.mean([psnr(CORRUPTIONS[name](street, severity, rng(seed)), street) for seed in range(3)])
        for severity in SEVERITIES
    ]
    assert means == sorted(means, reverse=True)
    assert means[0] > means[-1] + 3


@EVERY
@pytest.mark.parametrize("severity", [0, 6, -1])
def test_there_is_no_other_severity(name: str, severity: int, grey: Image) -> None:
    with pytest.raises(ConfigError, match="give 1 to 5"):
        CORRUPTIONS[name](grey, severity, rng())


@pytest.mark.parametrize("name", ["gaussian_noise", "shot_noise", "rain", "snow", "block_loss", "dirt"])
def test_chance_is_in_the_generator(name: str, street: Image) -> None:
    assert (CORRUPTIONS[name](street, 3, rng(1)) != CORRUPTIONS[name](street, 3, rng(2))).any()


def test_gaussian_noise_has_its_deviation(grey: Image) -> None:
    noise = corruptions.gaussian_noise(grey, 10, rng()).astype(float) - 128
    assert noise.mean() == pytest.approx(0, abs=0.1)
    assert noise.std() == pytest.approx(np.hypot(10, np.sqrt(1 / 12)), rel=0.02)  # and rounding's


def test_shot_noise_grows_with_the_root_of_light() -> None:
    for level in (60, 120):
        seen = corruptions.shot_noise(np.full((200, 200, 3), level, np.uint8), 100, rng()).astype(float)
        assert seen.mean() == pytest.approx(level, rel=0.01)
        assert seen.std() == pytest.approx(np.sqrt(level / 255 * 100) * 255 / 100, rel=0.02)


def test_a_point_becomes_a_disc() -> None:
    point = np.zeros((101, 101, 3), np.uint8)
    point[50, 50] = 255
    lit = corruptions.defocus_blur(point, 0.05, rng())[..., 0] > 0
    rows, columns = np.nonzero(lit)
    assert np.hypot(rows - 50, columns - 50).max() == pytest.approx(0.05 * 101, abs=1)
    assert lit.sum() == pytest.approx(np.pi * (0.05 * 101) ** 2, rel=0.3)


def test_a_point_becomes_a_line() -> None:
    point = np.zeros((101, 101, 3), np.uint8)
    point[50, 50] = 255
    for seed in range(5):
        rows, columns = np.nonzero(corruptions.motion_blur(point, 0.2, rng(seed))[..., 0] > 2)
        places = np.stack([rows, columns], 1) - 50.0
        along = np.linalg.svd(places, full_matrices=False)[2][0]
        assert np.ptp(places @ along) == pytest.approx(0.2 * 101, abs=2.5)
        assert np.abs(places - np.outer(places @ along, along)).max() < 1.5


@pytest.mark.parametrize("blur", [corruptions.motion_blur, corruptions.defocus_blur])
def test_blur_takes_detail_and_no_light(blur: corruptions.Corruption, street: Image) -> None:
    seen = blur(street, 0.05, rng())  # type: ignore[arg-type]
    assert seen.mean() == pytest.approx(street.mean(), rel=0.03)
    assert gradient(seen) < 0.7 * gradient(street)


def test_fog_hides_the_distance_first(street: Image) -> None:
    far, near = (slice(60, 70), slice(118, 138)), (slice(134, 144), slice(0, 256))
    thick, thin = (CORRUPTIONS["fog"](street, severity, rng()) for severity in (5, 2))
    assert np.abs(thick[far].astype(float) - corruptions.AIRLIGHT).max() < 12
    assert thick[far].std() < 0.5 * thin[far].std()
    kept = thick[near].astype(float).std() / street[near].astype(float).std()
    assert kept > thick[far].astype(float).std() / street[far].astype(float).std()


def test_rain_and_snow_fall() -> None:
    dark = np.full((240, 320, 3), 40, np.uint8)
    for name in ("rain", "snow"):
        seen = CORRUPTIONS[name](dark, 3, rng()).astype(float)[..., 0]
        assert seen.min() > 40  # a veil
        assert (seen > seen.min() + 20).mean() > 0.01
    streaks = CORRUPTIONS["rain"](dark, 3, rng())[..., 0].astype(float)
    down, across = (np.abs(np.diff(streaks, axis=axis)).mean() for axis in (0, 1))
    assert across > 2 * down  # streaks are upright


def test_night_is_dark_and_noisy(grey: Image) -> None:
    seen = corruptions.night(grey, 0.1, rng())
    assert seen.mean() == pytest.approx(128 * 0.1 ** (1 / 2.2), rel=0.02)
    assert seen.std() > 2


def test_glare_clips_about_the_sun_and_veils_the_rest(street: Image) -> None:
    seen = CORRUPTIONS["glare"](street, 4, rng()).astype(int)
    rows, columns = np.nonzero((seen == 255).all(2))
    assert rows.mean() < 0.5 * len(seen)
    assert np.median(np.abs(columns - 128)) < 64
    assert (seen - street).min() >= 0
    assert (seen - street)[-1].mean() > 20


def test_over_exposure_is_a_gain_in_linear_light() -> None:
    image = np.array([[[0, 50, 100]], [[150, 200, 255]]], np.uint8)
    light = np.minimum((image / 255.0) ** 2.2 * 3, 1)
    assert np.abs(corruptions.over_exposure(image, 3, rng()) - 255 * light ** (1 / 2.2)).max() <= 0.5


def test_low_contrast_keeps_the_mean(street: Image) -> None:
    seen = corruptions.low_contrast(street, 0.25, rng()).astype(float)
    assert seen.mean() == pytest.approx(street.mean(), abs=0.2)
    assert seen.std() == pytest.approx(0.25 * street.std(), rel=0.02)


def test_jpeg_breaks_into_blocks_of_eight(street: Image) -> None:
    steps = np.abs(np.diff(CORRUPTIONS["jpeg"](street, 4, rng())[..., 1].astype(float), axis=1)).mean(0)
    at_borders = steps[7::8].mean()
    assert at_borders > 2 * np.delete(steps, np.s_[7::8]).mean()


def test_block_loss_leaves_the_other_blocks_untouched(street: Image) -> None:
    seen = corruptions.block_loss(street, 0.2, rng())
    changed = (seen != street).any(2)
    blocks = changed.reshape(144 // BLOCK, BLOCK, 256 // BLOCK, BLOCK).any((1, 3))
    assert 0.2 <= blocks.mean() < 0.2 + 1 / len(blocks)  # at most one run of a row too many
    lost = blocks.repeat(BLOCK, 0).repeat(BLOCK, 1)
    assert (seen[lost] == 128).all()
    assert (seen[~lost] == street[~lost]).all()


def test_dirt_covers_its_share_and_stays(street: Image) -> None:
    white = np.full((144, 256, 3), 255, np.uint8)
    assert CORRUPTIONS["dirt"].fixed
    on_street, on_white = (corruptions.dirt(image, 0.3, rng(5)) for image in (street, white))
    covered = on_white[..., 0] < (255 + MUD[0]) / 2
    assert covered.mean() == pytest.approx(0.3, abs=0.02)
    core = cv2.erode(covered.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    assert core.any()
    assert np.abs(on_street[core].astype(int) - on_white[core]).max() <= 3  # opaque: nothing shines through
    clear = cv2.dilate(covered.astype(np.uint8), np.ones((25, 25), np.uint8)) == 0
    assert np.abs(on_street[clear].astype(int) - street[clear]).max() <= 2


def test_colour_swap_ends_in_swapped_channels(street: Image) -> None:
    assert (CORRUPTIONS["colour_swap"](street, 5, rng()) == street[..., ::-1]).all()
    half = corruptions.colour_swap(street, 0.5, rng())
    assert (half[..., 0] == half[..., 2]).all()
    assert (half[..., 1] == street[..., 1]).all()
