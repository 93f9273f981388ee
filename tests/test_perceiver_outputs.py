"""What a bundle may give other than labels: pictures, depth, key points, codes, over one frame or several."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from perception import Bundle, Frame, Perceiver
from perception.app.bench import measure
from perception.app.doctor import Health, diagnose
from perception.errors import ConfigError
from perception.types import Image
from tests import graphs
from tests.media import picture, truth


def load(bundle: Bundle, denoise: Bundle | None = None) -> Perceiver:
    return Perceiver.load(
        bundle.folder, "onnx-cpu", threads=1, denoise=None if denoise is None else denoise.folder
    )


def noise(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def test_a_picture_comes_pixel_by_pixel_where_the_frame_fits(tmp_path: Path) -> None:
    """The network sees the frame's own pixels, although it could take more."""
    image = noise(48, 80)
    scene = load(graphs.inverted(tmp_path / "inverted")).perceive(Frame(image, 0))
    assert scene.picture is not None
    np.testing.assert_array_equal(scene.picture, 255 - image)
    assert (scene.labels == 255).all() and not scene.instance_map.any()
    assert (scene.labels.shape, scene.instances, scene.lanes, scene.key_points) == ((48, 80), (), (), ())
    assert scene.depth is None and scene.latent is None


@pytest.mark.parametrize(("height", "width"), [(5, 7), (50, 83), (96, 2000), (1200, 1600)])
def test_a_picture_is_of_the_frames_size_whatever_that_is(tmp_path: Path, height: int, width: int) -> None:
    image = np.full((height, width, 3), (10, 20, 30), np.uint8)
    scene = load(graphs.inverted(tmp_path / "inverted")).perceive(Frame(image, 0))
    assert scene.picture is not None
    np.testing.assert_array_equal(scene.picture, 255 - image)


@pytest.mark.parametrize(("height", "width"), [(48, 80), (5, 7), (101, 83), (720, 1280)])
def test_an_enlarged_picture_is_exactly_twice_the_frame(tmp_path: Path, height: int, width: int) -> None:
    """Pixel by pixel: nothing was resampled before or after, also where no multiple fits."""
    image = noise(height, width)
    scene = load(graphs.doubled(tmp_path / "doubled")).perceive(Frame(image, 0))
    assert scene.picture is not None
    np.testing.assert_array_equal(scene.picture, image.repeat(2, axis=0).repeat(2, axis=1))
    assert scene.labels.shape == (height, width)


def test_a_frame_of_one_size_is_enlarged_to_twice_its_own(tmp_path: Path) -> None:
    perceiver = load(graphs.doubled(tmp_path / "doubled", size=(32, 64)))
    picture = perceiver.perceive(Frame(np.full((45, 90, 3), 40, np.uint8), 0)).picture
    np.testing.assert_array_equal(picture, np.full((90, 180, 3), 40))


def test_a_frame_too_large_to_be_enlarged_is_refused(tmp_path: Path) -> None:
    perceiver = load(graphs.doubled(tmp_path / "doubled"))
    with pytest.raises(ConfigError, match=r"4000×3000 is too large.*2\.1 million pixels"):
        perceiver.prepare(Frame(np.zeros((3000, 4000, 3), np.uint8), 0))


def test_depth_is_in_metres_of_every_pixel_of_the_frame(tmp_path: Path) -> None:
    ramp = np.zeros((96, 160, 3), np.uint8)
    ramp[..., 0] = np.arange(160)
    perceiver = load(graphs.measured(tmp_path / "measured", size=(48, 80)))
    scene = perceiver.perceive(Frame(ramp, 0))
    assert scene.depth is not None and scene.depth.dtype == np.float32 and scene.depth.shape == (96, 160)
    columns = np.arange(4, 156)
    np.testing.assert_allclose(scene.depth[:, columns], np.broadcast_to(0.1 * columns, (96, 152)), atol=0.06)


def test_a_code_is_published_as_it_comes(tmp_path: Path) -> None:
    image = np.full((48, 80, 3), (10, 20, 30), np.uint8)
    scene = load(graphs.measured(tmp_path / "measured")).perceive(Frame(image, 0))
    assert scene.latent is not None
    np.testing.assert_allclose(scene.latent, [10, 20, 30], atol=1e-3)


def blob(height: int, width: int, x: float, y: float, spread: float) -> npt.NDArray[np.float64]:
    rows, columns = np.mgrid[:height, :width]
    return np.asarray(255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * spread**2)))


def test_key_points_are_where_the_frame_shows_them(tmp_path: Path) -> None:
    image = np.zeros((384, 640, 3), np.uint8)  # twice the network's
    image[..., 0] = blob(384, 640, 201.3, 99.8, 16)
    image[..., 2] = np.maximum(blob(384, 640, 402.0, 250.5, 16), 0.6 * blob(384, 640, 100.0, 300.0, 16))
    scene = load(graphs.pointed(tmp_path / "pointed", size=(192, 320))).perceive(Frame(image, 0))
    assert [point.name for point in scene.key_points] == ["head", "right_hand", "right_hand"]
    found = np.array([(point.x, point.y) for point in scene.key_points])
    np.testing.assert_allclose(found, [(201.3, 99.8), (402.0, 250.5), (100.0, 300.0)], atol=0.4)
    assert [point.score for point in scene.key_points] == pytest.approx([0.95, 0.95, 0.57], abs=0.05)


def test_a_graph_of_one_size_sees_every_frame_at_it(tmp_path: Path) -> None:
    perceiver = load(graphs.inverted(tmp_path / "inverted", size=(32, 64)))
    for height, width in ((32, 64), (100, 90), (720, 1280)):
        frame = Frame(np.full((height, width, 3), 40, np.uint8), 0)
        assert perceiver.prepare(frame).shape == (32, 64, 3)
        np.testing.assert_array_equal(perceiver.perceive(frame).picture, np.full((height, width, 3), 215))


def test_earlier_frames_come_before_in_the_order_of_time(tmp_path: Path) -> None:
    perceiver = load(graphs.delayed(tmp_path / "delayed", frames=3))
    a, b, c, d = (Frame(noise(48, 80, seed), seed, sequence=seed) for seed in range(4))
    np.testing.assert_array_equal(perceiver.perceive(c, (a, b)).picture, a.image)
    np.testing.assert_array_equal(perceiver.perceive(d, [a, b, c]).picture, b.image)  # the last ones
    np.testing.assert_array_equal(perceiver.perceive(c, (b,)).picture, b.image)  # the oldest, repeated
    np.testing.assert_array_equal(perceiver.perceive(c).picture, c.image)
    shown = perceiver.prepare(c, (a, b))
    np.testing.assert_array_equal(shown, np.concatenate([a.image, b.image, c.image], axis=2))


def test_an_earlier_frame_of_another_size_is_refused(tmp_path: Path) -> None:
    perceiver = load(graphs.delayed(tmp_path / "delayed"))
    with pytest.raises(ConfigError, match=r"frame 4: its image is 80×48, .* frame 3 is 80×50"):
        perceiver.perceive(Frame(noise(48, 80), 0, sequence=4), [Frame(noise(50, 80), 0, sequence=3)])


def test_the_network_sees_what_the_denoiser_restores(tmp_path: Path, colour_bundle: Bundle) -> None:
    perceiver = load(colour_bundle, denoise=graphs.inverted(tmp_path / "inverted"))
    scene = perceiver.perceive(Frame(255 - picture(3), 0))
    np.testing.assert_array_equal(scene.labels, truth(3))
    assert list(scene.timings_ms) == ["denoise", "prepare", "infer", "decode"]
    assert scene.picture is None
    assert perceiver.model == "colour 1, after inverted 1"


def test_the_denoiser_restores_earlier_frames_too(tmp_path: Path) -> None:
    perceiver = load(graphs.delayed(tmp_path / "delayed"), denoise=graphs.inverted(tmp_path / "inverted"))
    first, second = (Frame(noise(48, 80, seed), seed, sequence=seed) for seed in range(2))
    np.testing.assert_array_equal(perceiver.perceive(second, [first]).picture, 255 - first.image)


def test_what_cannot_restore_a_frame_is_refused(tmp_path: Path, colour_bundle: Bundle) -> None:
    refused = {
        "gives labels": colour_bundle,
        "enlarges it 2 times": graphs.doubled(tmp_path / "doubled"),
        "sees 2 frames": graphs.delayed(tmp_path / "delayed"),
    }
    for why, bundle in refused.items():
        with pytest.raises(ConfigError, match=f"denoise: needs .* {bundle.info.name} {why}; choose"):
            load(colour_bundle, denoise=bundle)


def test_instances_cannot_be_told_apart_without_their_outputs(tmp_path: Path) -> None:
    bundle = graphs.inverted(tmp_path / "inverted")
    with pytest.raises(ConfigError, match=r"'components': needs the outputs labels.* choose auto"):
        Perceiver.load(bundle.folder, instances="components")


def test_doctor_and_bench_take_such_a_bundle(tmp_path: Path) -> None:
    folder = graphs.delayed(tmp_path / "delayed").folder
    engines = {one.name: one.health for one in diagnose(folder).findings if one.name.startswith("engine")}
    assert engines["engine onnx-cpu"] is engines["engine auto"] is Health.GOOD
    images = tmp_path / "images"
    images.mkdir()
    for index in range(2):
        cv2.imwrite(str(images / f"{index}.png"), picture(index, 48, 80))
    benchmark = measure(folder, "onnx-cpu", str(images), frames=2)
    assert benchmark.model == "delayed 1"
    assert benchmark.input == (48, 80)
