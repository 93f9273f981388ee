"""Pictures as streams leave them: coded well, with too few bits, and with blocks that never came."""

import cv2
import numpy as np
import pytest

from perception.health.types import Finding, Level
from perception.quality.compression import damage
from perception.simulation import Drive, parse_options
from perception.types import Image


@pytest.fixture(scope="module")
def street() -> Image:
    return Drive(parse_options("seed=5&size=640x368&weather=clear&time=day")).render(5).image


def findings(image: Image) -> list[tuple[str, Level]]:
    return [(one.name, one.level) for one in damage(image)]


def jpeg(image: Image, quality: int) -> Image:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def without_blocks(image: Image, share: float) -> Image:
    """The first macroblocks in the order in which they are coded never came."""
    seen = image.copy()
    rows, columns = image.shape[0] // 16, image.shape[1] // 16
    for block in range(round(share * rows * columns)):
        row, column = divmod(block, columns)
        seen[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] = 128
    return seen


@pytest.mark.parametrize(("weather", "time"), [("clear", "day"), ("rain", "night"), ("fog", "dusk")])
def test_pictures_of_every_weather_are_whole(weather: str, time: str) -> None:
    options = parse_options(f"seed=1&size=480x272&weather={weather}&time={time}")
    image = Drive(options).render(3).image
    assert findings(image) == []
    assert findings(jpeg(image, 50)) == []


def test_too_few_bits(street: Image) -> None:
    assert findings(jpeg(street, 30)) == []
    assert [one.name for one in damage(jpeg(street, 8))] == ["coarse"]
    assert findings(jpeg(street, 2)) == [("coarse", Level.ERROR)]


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.05, []), (0.18, [("blocks_lost", Level.WARN)]), (0.4, [("blocks_lost", Level.ERROR)])],
)
def test_blocks_that_never_came(street: Image, share: float, expected: list[tuple[str, Level]]) -> None:
    assert findings(without_blocks(street, share)) == expected


def test_the_reason_says_how_many(street: Image) -> None:
    (found,) = damage(without_blocks(street, 1.0))
    reason = "blocks are missing: 100 % are the same grey, at most 12 %"
    assert found == Finding("blocks_lost", Level.ERROR, reason)


def test_black_white_and_tiny_pictures_are_not_the_streams_doing() -> None:
    for level in (0, 255):
        assert findings(np.full((64, 96, 3), level, np.uint8)) == []
    assert findings(np.full((15, 96, 3), 128, np.uint8)) == []
