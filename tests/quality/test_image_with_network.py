"""What the image checks find by what the network says of the picture: colours, mud, the own bonnet."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from perception.classes import DRIVE, ClassSet
from perception.health.types import Level
from perception.quality.image import ImageChecks
from perception.scene import Scene
from perception.types import Image
from tests.quality.drives import ALL, HALF, HEIGHT, SECOND, WIDTH, covered, frame, picture, scene, sensed


def judged(change: Callable[[Image], Image], seen: Scene, seconds: float = 4) -> list[set[str]]:
    checks = ImageChecks()
    return [
        {one.name for one in checks.check(frame(change(picture(k)), k), seen)}
        for k in range(round(seconds * SECOND))
    ]


def swapped(image: Image) -> Image:
    return image[..., ::-1]


def sunset(image: Image) -> Image:
    """The sky orange, and everything in its light."""
    return sensed(image * np.array([0.5, 0.9, 1.3]), 0, 0)


def test_swapped_colours_are_found_after_two_seconds_and_a_sunset_is_none() -> None:
    found_at = judged(swapped, scene())
    assert found_at[:50] == [set()] * 50
    assert found_at[60:] == [{"colours_swapped"}] * 40
    assert judged(lambda image: image, scene()) == judged(sunset, scene()) == [set()] * 100


def test_without_sky_or_leaves_nothing_is_said_of_colours() -> None:
    seen = scene()
    seen.labels[40:60] = DRIVE.id("building")
    assert judged(swapped, seen) == [set()] * 100


def muddy(image: Image) -> Image:
    """A quarter of the houses is brown."""
    image[60:120, 100:180] = (40, 55, 70)
    return image


def test_mud_is_found_where_the_network_says_houses() -> None:
    found_at = judged(muddy, scene(), 2)
    assert found_at[SECOND:] == [{"dirty"}] * SECOND
    seen = scene()
    seen.labels[60:120] = DRIVE.id("vehicle")  # the plain rear of a lorry
    assert judged(muddy, seen, 2) == [set()] * (2 * SECOND)


def test_one_class_nearly_everywhere_is_named() -> None:
    seen = scene()
    seen.labels[:] = DRIVE.id("road")
    checks = ImageChecks()
    (finding,) = checks.check(frame(picture(0), 0), seen)
    assert (finding.name, finding.level) == ("one_class", Level.WARN)
    assert finding.reason == "the network says road nearly everywhere: 100 %, at most 95 %"
    own = ClassSet("own", ("road", "track"), ((0, 0, 0), (9, 9, 9)))
    assert ImageChecks(classes=own).check(frame(picture(0), 0), replace(seen, labels=seen.labels * 0)) == []
    unknown = replace(seen, labels=np.full_like(seen.labels, 255))  # not ready: reported elsewhere
    assert ImageChecks().check(frame(picture(0), 0), unknown) == []


def test_a_bonnet_under_its_mask_is_not_taken_for_mud() -> None:
    """A high one, that reaches into the middle third: without the mask the lens would count as blocked."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[round(0.43 * HEIGHT) :] = True

    def told(ego_mask: np.ndarray | None) -> set[str]:
        checks = ImageChecks()
        for k in range(2 * SECOND):
            image = covered(k, slice(round(0.43 * HEIGHT), HEIGHT), ALL)
            findings = checks.check(frame(image, k), replace(scene(), ego_mask=ego_mask))
        return {one.name for one in findings}

    assert told(None) == {"blocked"}
    assert told(mask) == set()


def test_mud_above_the_bonnet_is_found_with_its_mask() -> None:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[round(0.8 * HEIGHT) :] = True
    checks = ImageChecks()
    for k in range(2 * SECOND):
        findings = checks.check(frame(covered(k, ALL, HALF), k), replace(scene(), ego_mask=mask))
    assert "blocked" in {one.name for one in findings}
