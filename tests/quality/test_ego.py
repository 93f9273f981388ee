"""A bonnet is found in simulated drives it is painted into, and nowhere else."""

from functools import cache

import cv2
import numpy as np
import pytest

from perception.quality.ego import FEWEST, find_ego_mask
from perception.simulation import Drive, parse_options
from perception.types import Bools, Image

HEIGHT, WIDTH, PICTURES = 180, 320, 24


@cache
def drive(scene: str) -> list[Image]:
    """Two seconds between pictures."""
    seen = Drive(
        parse_options(f"seed=2&size={WIDTH}x{HEIGHT}&rate=0.5&frames={PICTURES}&scene={scene}&time=day")
    )
    return [seen.render(k).image for k in range(PICTURES)]


def bonnet(height: float = 0.22) -> Bools:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.ellipse(mask, (WIDTH // 2, HEIGHT), (round(0.48 * WIDTH), round(height * HEIGHT)), 0, 180, 360, 1, -1)
    return mask > 0


def painted(image: Image, mask: Bools) -> Image:
    """A dark glossy bonnet: a quarter of what is above shines in it."""
    above = cv2.resize(image[: HEIGHT // 2][::-1], (WIDTH, HEIGHT))
    gloss = cv2.GaussianBlur(above, (0, 0), 6)
    return np.where(mask[..., None], 40 + gloss // 4, image).astype(np.uint8)


@pytest.mark.parametrize("scene", ["town", "country"])
def test_a_bonnet_is_found_where_it_is_and_only_then(scene: str) -> None:
    true = bonnet()
    found, why = find_ego_mask(painted(image, true) for image in drive(scene))
    assert found is not None, why
    assert found.shape == true.shape
    assert (found & true).sum() / (found | true).sum() > 0.9
    assert why == f"found: the own car is {100 * found.mean():.0f} % of the picture"
    assert find_ego_mask(drive(scene))[0] is None


def test_it_is_not_sure_of_what_reaches_too_high() -> None:
    found, why = find_ego_mask(painted(image, bonnet(0.45)) for image in drive("town"))
    assert found is None
    assert "not sure: what stands still reaches up to" in why and "at most 40 %" in why


def test_it_is_not_sure_of_a_bonnet_with_something_else_at_its_side() -> None:
    """Such as a guard rail that is always there: nothing would be detected where it is."""
    mask = bonnet().astype(np.uint8)
    rail = np.array([(0, HEIGHT), (0, 0.66 * HEIGHT), (0.15 * WIDTH, 0.7 * HEIGHT), (0.15 * WIDTH, HEIGHT)])
    cv2.fillPoly(mask, [rail.astype(np.int32)], 1)
    found, why = find_ego_mask(painted(image, mask > 0) for image in drive("town"))
    assert found is None
    assert "has valleys of 6 %, at most 3 %" in why


def test_a_car_that_stands_tells_nothing() -> None:
    found, why = find_ego_mask([painted(drive("town")[0], bonnet())] * PICTURES)
    assert found is None and why.startswith("too much stands still")


def test_few_pictures_tell_nothing() -> None:
    found, why = find_ego_mask(painted(image, bonnet()) for image in drive("town")[: FEWEST - 1])
    assert found is None and why == "9 pictures are too few, at least 10"
