"""What the image checks find by the picture alone, and that what is sound stays sound."""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.frame import Frame
from perception.health.types import Finding, Level
from perception.pixels import Pixels, Yuv420
from perception.quality.image import ImageChecks
from perception.simulation import Drive, parse_options
from perception.types import Image
from tests.quality.drives import (
    ALL,
    HALF,
    HEIGHT,
    SECOND,
    WIDTH,
    covered,
    frame,
    picture,
    sensed,
)

W, E = Level.WARN, Level.ERROR
GOOD = 26  # frames before a fault: a second


Look = Callable[[int], Pixels]


def found(fault: Look, checks: ImageChecks, start: int = GOOD, count: int = SECOND + 1) -> dict[str, Finding]:
    """What is found in the last frame of a second of the fault."""
    for k in range(start, start + count):
        findings = checks.check(frame(fault(k), k))
    return {one.name: one for one in findings}


def after_good_frames(good: Look = picture) -> ImageChecks:
    checks = ImageChecks()
    for k in range(GOOD):
        assert checks.check(frame(good(k), k)) == []
    return checks


def night(k: int) -> Image:
    return picture(k, 0.35, 5)


def blurred(k: int, deviation: float) -> Image:
    image = cv2.GaussianBlur(picture(k, noise=0), (0, 0), deviation)
    return sensed(image, k, 1.5)


def lamp(k: int) -> Image:
    dark = np.full((HEIGHT, WIDTH, 3), 4.0)
    dark[80:120, 200:240] = 220
    return sensed(dark, k, 1.5)


def sun(k: int) -> Image:
    image = picture(k)
    image[:100] = 255
    return image


def without_blocks(image: Image) -> Image:
    """Two of eleven rows of macroblocks never came."""
    image[32:64] = 128
    return image


FAULTS: dict[str, tuple[Callable[[int], Image], str, Level]] = {
    "no light": (lambda k: picture(k) * 0, "black", E),
    "only noise": (lambda k: picture(k, 0, 3), "black", E),
    "a lamp in the dark": (lamp, "black", W),
    "the sun": (sun, "over_exposed", W),
    "all white": (lambda k: picture(k, 9), "over_exposed", E),
    "fog on the lens": (lambda k: sensed(0.14 * picture(k, noise=0) + 110.0, k, 1.5), "low_contrast", W),
    "ice on the lens": (lambda k: sensed(0.05 * picture(k, noise=0) + 110.0, k, 1.5), "low_contrast", E),
    "out of focus": (lambda k: blurred(k, 2.3), "blurred", W),
    "no edge left": (lambda k: blurred(k, 25), "blurred", E),
    "far out of focus": (lambda k: blurred(k, 4), "blurred", E),
    "a noisy sensor": (lambda k: picture(k, noise=13), "noisy", W),
    "a broken sensor": (lambda k: picture(k, noise=30), "noisy", E),
    "a finger": (lambda k: covered(k, ALL, slice(0, 130)), "blocked", W),
    "half of it taped": (lambda k: covered(k, ALL, HALF), "blocked", E),
    "fog": (lambda k: sensed(0.6 * picture(k, noise=0) + 80.0, k, 1.5), "veiled", W),
    "thick fog": (lambda k: sensed(0.26 * picture(k, noise=0) + 170.0, k, 1.5), "veiled", E),
    "lost packets": (lambda k: without_blocks(picture(k)), "blocks_lost", W),
    "frozen": (lambda k: picture(GOOD), "frozen", E),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_found_within_a_second(name: str) -> None:
    fault, finding, level = FAULTS[name]
    findings = found(fault, after_good_frames())
    assert findings[finding].level is level
    assert findings.keys() <= {finding, "frozen"}  # what shows nothing at all is frozen too
    as_planes = found(lambda k: Yuv420.of(fault(k)), after_good_frames(lambda k: Yuv420.of(picture(k))))
    assert {one.name: one.level for one in as_planes.values()} == {
        one.name: one.level for one in findings.values()
    }


@pytest.mark.parametrize(
    ("fault", "finding", "reason"),
    [
        ("no light", "black", "the picture is black: mean 0 of 255, at least 12"),
        ("all white", "over_exposed", "the picture is over-exposed: 100 % is white, at most 50 %"),
        (
            "half of it taped",
            "blocked",
            "the lens is blocked: 50 % of the picture's middle shows nothing",
        ),
        ("frozen", "frozen", "the picture is frozen: the very same pixels for 1.0 s, at most 0.5 s"),
    ],
)
def test_reasons_give_value_and_limit(fault: str, finding: str, reason: str) -> None:
    assert found(FAULTS[fault][0], after_good_frames())[finding].reason.startswith(reason)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.3, 1.2), st.floats(0.8, 5), st.integers(0, 1000))
def test_a_drive_in_any_light_is_sound(brightness: float, noise: float, start: int) -> None:
    checks = ImageChecks()
    for k in range(start, start + SECOND, 2):
        assert checks.check(frame(picture(k, brightness, noise), k)) == []


@pytest.mark.parametrize("weather", ["clear", "cloudy", "rain", "fog"])
@pytest.mark.parametrize("hour", ["day", "dusk", "night"])
def test_simulated_drives_are_sound(weather: str, hour: str) -> None:
    drive = Drive(parse_options(f"seed=4&size=320x180&rate=5&weather={weather}&time={hour}"))
    checks = ImageChecks()
    for k in range(4):
        assert checks.check(Frame(drive.render(k).image, k * 200_000_000)) == []


def test_blocked_by_night_cannot_be_distinguished_from_a_dark_field_but_wholly_blocked_can() -> None:
    checks = after_good_frames(night)
    dark = np.s_[:, : WIDTH // 2]

    def half(k: int) -> Image:
        image = night(k)
        image[dark] = sensed(np.full((HEIGHT, WIDTH // 2, 3), 30.0), k, 5)
        return image

    assert found(half, checks) == {}
    findings = found(lambda k: sensed(np.full((HEIGHT, WIDTH, 3), 30.0), k, 5), checks, GOOD + SECOND)
    assert findings.keys() == {"low_contrast"}


def test_what_blocks_the_lens_stays_found_while_the_car_stands() -> None:
    checks = after_good_frames()
    assert found(FAULTS["half of it taped"][0], checks).keys() == {"blocked"}

    def standing(k: int) -> Image:
        still = covered(GOOD, ALL, HALF).astype(np.float64)
        return sensed(still, k, 1.5)

    assert found(standing, checks, GOOD + SECOND, 2 * SECOND).keys() == {"blocked"}
    assert found(picture, checks, GOOD + 3 * SECOND, SECOND) == {}


def test_a_standing_car_sees_a_picture_that_is_not_frozen() -> None:
    def standing(k: int) -> Image:
        return sensed(picture(0, noise=0).astype(np.float64), k, 0.5)

    assert found(standing, after_good_frames(standing), count=2 * SECOND) == {}


def test_two_of_the_same_at_a_low_rate_are_not_frozen() -> None:
    checks = after_good_frames()
    last_ns = GOOD * 1_000_000_000 // SECOND
    same = [checks.check(Frame(picture(GOOD), last_ns + k * 600_000_000)) for k in range(3)]
    assert [[one.name for one in findings] for findings in same] == [[], [], ["frozen"]]


def coded(k: int) -> Image:
    """Of a standing car, by an encoder with few bits: only key frames change, all of the picture."""
    return sensed(picture(0, noise=0).astype(np.float64), k // SECOND, 3.0)


def ever(look: Look, checks: ImageChecks, start: int, count: int) -> set[str]:
    """What is found in any of the frames."""
    return {one.name for k in range(start, start + count) for one in checks.check(frame(look(k), k))}


def test_a_standing_car_behind_an_encoder_of_few_bits_is_not_frozen() -> None:
    """It brakes for a second; from then on nothing is new between key frames."""

    def braking(k: int) -> Image:
        return sensed(picture(0, noise=0).astype(np.float64), k, 0.5)

    checks = after_good_frames()
    assert ever(braking, checks, GOOD, SECOND) == set()
    assert ever(coded, checks, GOOD + SECOND, 12 * SECOND) == set()
    assert ever(coded, ImageChecks(), 0, 12 * SECOND) == set()
    assert ever(lambda k: coded(0), checks, GOOD + 13 * SECOND, 9 * SECOND) == set()
    assert ever(lambda k: coded(0), checks, GOOD + 22 * SECOND, 3 * SECOND) == {"frozen"}


def test_a_frozen_picture_stays_found_over_key_frames_until_it_moves() -> None:
    """Of what froze while the car moved, each key frame begins again, and half a second later it is found."""
    checks = after_good_frames()
    for second in range(5):
        assert ever(coded, checks, (second + 2) * SECOND, SECOND) == {"frozen"}, second
    ever(picture, checks, 8 * SECOND, SECOND)
    ever(lambda k: sensed(picture(0, noise=0).astype(np.float64), k, 0.5), checks, 9 * SECOND, SECOND)
    assert ever(coded, checks, 10 * SECOND, 5 * SECOND) == set()


def test_another_recording_may_be_another_cameras() -> None:
    """Softer, and of another size: nothing of it is judged by the one before."""
    checks = ImageChecks()
    ever(picture, checks, 0, 6 * SECOND)

    def soft(k: int) -> Image:
        return np.asarray(cv2.resize(blurred(k, 1.3), (240, 180)), np.uint8)

    assert ever(soft, checks, 6 * SECOND, 1) == {"blurred", "wrong_size"}
    for k in range(6 * SECOND, 8 * SECOND):
        assert checks.check(replace(frame(blurred(k, 1.3)[:90], k), recording=1)) == []


def test_a_frozen_picture_that_moves_on_is_sound_at_once() -> None:
    checks = after_good_frames()
    assert "frozen" in found(FAULTS["frozen"][0], checks)
    assert found(picture, checks, GOOD + SECOND + 1, 1) == {}


def test_a_recording_with_stamps_that_run_back_is_not_frozen() -> None:
    checks = ImageChecks()
    for k in (*range(30), *range(30)):
        assert checks.check(frame(picture(k), k)) == []


def test_a_lens_that_loses_half_of_its_sharpness_is_blurred_for_as_long_as_it_lasts() -> None:
    """Also where the rest would be sharp enough for a worse camera."""
    checks = ImageChecks()
    for k in range(6 * SECOND):
        assert checks.check(frame(picture(k), k)) == []
    soft = found(lambda k: blurred(k, 1.3), checks, 6 * SECOND, 1)
    assert soft["blurred"].level is W
    assert "half of this camera's usual" in soft["blurred"].reason
    assert found(lambda k: blurred(k, 1.3), ImageChecks()) == {}
    assert "blurred" in found(lambda k: blurred(k, 1.3), checks, 6 * SECOND, 12 * SECOND)


def test_two_seconds_say_not_yet_what_is_usual() -> None:
    checks = ImageChecks()
    assert ever(picture, checks, 0, 2 * SECOND) == set()
    assert ever(lambda k: blurred(k, 1.3), checks, 2 * SECOND, SECOND) == set()


@pytest.mark.parametrize("expected", [None, (WIDTH, HEIGHT)])
def test_another_size_than_the_first_frames_had_or_than_is_expected(expected: tuple[int, int] | None) -> None:
    checks = ImageChecks(expected)
    for k in range(GOOD):
        odd = k == 3 and expected is None  # one odd frame at the start does not count
        image = picture(k)[:-2] if odd else picture(k)
        assert checks.check(frame(image, k)) == []
    findings = found(lambda k: np.asarray(cv2.resize(picture(k), (240, 180)), np.uint8), checks, GOOD, 1)
    assert findings["wrong_size"].level is W
    assert findings["wrong_size"].reason == "the picture has the wrong size: 240×180, expected 320×180"
    assert found(picture, checks, GOOD + 1, 1) == {}


@given(st.integers(1, 60), st.integers(1, 60), st.sampled_from([0, 128, 255]), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_any_picture_of_any_size_can_be_looked_at(height: int, width: int, level: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    checks = ImageChecks()
    for k in range(3):
        image = rng.integers(0, max(1, level), (height, width, 3), np.uint8, endpoint=True)
        for finding in checks.check(Frame(image, k * 10**9)):
            assert finding.reason
