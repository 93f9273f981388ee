"""The CRF against brute force over all pairs of pixels, and against what must hold of any CRF."""

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.classes import DRIVE
from perception.decode.crf import CrfOptions, energies, refine
from perception.errors import ConfigError
from perception.simulation import Drive, SimulationOptions
from perception.types import Doubles, Floats, Image

ROAD, PAINT = DRIVE.id("road"), DRIVE.id("lane_marking")


def softmax(energies: Doubles) -> Doubles:
    shares = np.exp(energies - energies.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def marginals(logits: Floats, image: Image, options: CrfOptions) -> Doubles:
    """How likely each class is at each pixel, (h, w, classes)."""
    shares = softmax(energies(logits, image, options).astype(np.float64))
    return shares.reshape(*image.shape[:2], -1)


def kernel(features: Doubles) -> Doubles:
    """Between all pairs, divided by the root of both pixels' sums."""
    squares = (features**2).sum(axis=1)
    pairs = np.exp(-0.5 * np.maximum(squares[:, None] + squares - 2 * features @ features.T, 0))
    roots = np.sqrt(pairs.sum(axis=1))
    return np.asarray(pairs / roots[:, None] / roots)


def network(logits: Floats) -> Doubles:
    """What logits (classes, h, w) say by themselves, (h, w, classes)."""
    classes, h, w = logits.shape
    return softmax(logits.reshape(classes, -1).T.astype(np.float64)).reshape(h, w, classes)


def brute_force(logits: Floats, image: Image, options: CrfOptions) -> Doubles:
    """Equations (4) and (5) of the paper with Potts compatibility, over all pairs of pixels."""
    classes, h, w = logits.shape
    place = np.indices((h, w)).reshape(2, -1).T.astype(np.float64)
    colour = image.reshape(-1, 3).astype(np.float64)
    alike = kernel(np.hstack([place / options.reach, colour / options.contrast]))
    near = kernel(place / options.smooth_reach)
    unary = logits.reshape(classes, -1).T.astype(np.float64)
    beliefs = softmax(unary)
    for _ in range(options.iterations):
        received = options.appearance * alike @ beliefs + options.smoothness * near @ beliefs
        compatibility = received.sum(axis=1, keepdims=True) - received  # what other classes cost
        beliefs = softmax(unary - compatibility)
    return beliefs.reshape(h, w, classes)


@cache
def street(seed: int) -> tuple[Image, Floats]:
    """A simulated frame, 56×32, and the logits of a network that is unsure, blurred and noisy about it."""
    drive = Drive(SimulationOptions(seed=seed, size=(56, 32), weather="clear", time="day"))
    rendering = drive.render(30)
    truth = (rendering.truth.labels[..., None] == np.arange(len(DRIVE))).astype(np.float32)
    noise = np.random.default_rng(seed).normal(0, 2, truth.shape).astype(np.float32)
    logits = cv2.GaussianBlur(5 * truth + noise, (7, 7), 1.2)
    return rendering.image, np.ascontiguousarray(np.moveaxis(logits, -1, 0))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        CrfOptions(appearance=3, reach=8, contrast=10, smoothness=0.5, smooth_reach=1.5, iterations=3),
        CrfOptions(appearance=4, reach=5, contrast=25, smoothness=0, iterations=5),
        CrfOptions(appearance=0, smoothness=2, smooth_reach=2.5, iterations=5),
    ],
)
def test_agrees_with_brute_force(options: CrfOptions, seed: int) -> None:
    image, logits = street(seed)
    expected = brute_force(logits, image, options)
    found = marginals(logits, image, options)
    effect = np.abs(expected - network(logits)).mean()
    assert effect > 0.01  # or there was nothing to agree on
    assert np.abs(found - expected).mean() < 0.15 * effect
    assert np.mean(found.argmax(axis=2) != expected.argmax(axis=2)) < 0.02


def test_a_field_at_half_size_agrees_with_brute_force_at_full_size() -> None:
    options = CrfOptions(appearance=3, reach=8, contrast=15, smoothness=0.5, smooth_reach=2, iterations=4)
    image, logits = street(1)
    half = np.stack([cv2.resize(one, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for one in logits])
    full = np.stack([cv2.resize(one, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR) for one in half])
    expected = brute_force(full.astype(np.float32), image, options)
    found = marginals(half.astype(np.float32), image, options)
    effect = np.abs(expected - network(full)).mean()
    assert effect > 0.01
    assert np.abs(found - expected).mean() < 0.25 * effect
    assert np.mean(found.argmax(axis=2) != expected.argmax(axis=2)) < 0.03


def test_one_colour_leaves_a_gaussian_over_place() -> None:
    """All pixels alike: the appearance kernel is exact but for the spacing of its nodes."""
    _, logits = street(4)
    image = np.full((32, 56, 3), 93, np.uint8)
    options = CrfOptions(appearance=3, reach=6, smoothness=0, iterations=4)
    expected = brute_force(logits, image, options)
    assert np.abs(expected - network(logits)).max() > 0.5
    assert np.abs(marginals(logits, image, options) - expected).max() < 0.05


def test_colours_far_apart_do_not_hear_each_other() -> None:
    image = np.zeros((32, 48, 3), np.uint8)
    image[:, 24:] = 255
    logits = np.random.default_rng(0).normal(0, 1, (4, 32, 48)).astype(np.float32)
    other = logits.copy()
    other[0, :, 24:] += 9
    options = CrfOptions(appearance=5, smoothness=0)
    before, after = marginals(logits, image, options), marginals(other, image, options)
    assert np.abs(before[:, :24] - after[:, :24]).max() < 1e-6
    assert np.abs(before[:, 24:] - after[:, 24:]).max() > 0.5


def test_a_border_moves_to_the_edge_in_the_picture() -> None:
    """The network is unsure for 8 pixels next to the edge, and leans to the wrong side."""
    image = np.full((64, 96, 3), 60, np.uint8)
    image[:, 48:] = 160
    sure = np.clip((np.arange(96) - 52) / 4, -2, 2)  # its border is at 52
    logits = np.broadcast_to(np.stack([-sure, sure])[:, None], (2, 64, 96)).astype(np.float32)
    labels = refine(logits, image, CrfOptions(appearance=4, iterations=5))
    assert np.array_equal(labels, np.broadcast_to(np.arange(96) >= 48, (64, 96)))


def test_a_thin_line_is_kept_where_it_has_its_own_colour() -> None:
    image = np.full((64, 96, 3), 80, np.uint8)
    image[:, 40:43] = 200
    logits = np.zeros((len(DRIVE), 64, 96), np.float32)
    logits[ROAD] = 4
    logits[PAINT, :, 40:43] = 5
    for field in (logits, logits[:, ::2, ::2]):
        painted = refine(np.ascontiguousarray(field), image) == PAINT
        assert painted[:, 40:43].all()
        assert not painted[:, :38].any()
        assert not painted[:, 45:].any()


def test_without_weights_the_network_has_the_say() -> None:
    image, logits = street(5)
    alone = CrfOptions(appearance=0, smoothness=0)
    assert np.allclose(marginals(logits, image, alone), network(logits), atol=1e-6)
    assert np.array_equal(refine(logits, image, alone), logits.argmax(axis=0))
    enlarged = cv2.resize(np.moveaxis(logits, 0, -1), (112, 64), interpolation=cv2.INTER_LINEAR)
    larger = np.asarray(cv2.resize(image, (112, 64)), np.uint8)
    assert np.array_equal(refine(logits, larger, alone), enlarged.argmax(axis=2))


@settings(max_examples=30, deadline=None)
@given(
    st.integers(1, 20), st.integers(1, 20), st.integers(1, 12), st.integers(1, 3), st.integers(0, 9),
    st.integers(1, 255),
)  # fmt: skip
def test_any_frame_gives_shares(h: int, w: int, classes: int, k: int, seed: int, brightest: int) -> None:
    random = np.random.default_rng(seed)
    image = random.integers(0, brightest + 1, (k * h, k * w, 3), np.uint8)
    logits = random.normal(0, 30, (classes, h, w)).astype(np.float32)
    shares = marginals(logits, image, CrfOptions(smoothness=1))
    assert shares.shape == (k * h, k * w, classes)
    assert np.isfinite(shares).all()
    shift = random.normal(0, 5, (h, w)).astype(np.float32)
    assert np.allclose(marginals(logits + shift, image, CrfOptions(smoothness=1)), shares, atol=1e-3)


def test_twice_is_the_same() -> None:
    image, logits = street(6)
    cv2.setRNGSeed(1)
    first = energies(logits, image, CrfOptions())
    cv2.setRNGSeed(2)
    assert np.array_equal(first, energies(logits, image, CrfOptions()))
    assert refine(logits, image).dtype == np.uint8


@pytest.mark.parametrize(
    ("name", "value"),
    [("reach", 0), ("contrast", -1), ("smooth_reach", 0), ("iterations", 0), ("appearance", -0.1),
     ("smoothness", float("nan"))],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"{name} is {value}"):
        replace(CrfOptions(), **{name: value})  # type: ignore[arg-type]
