import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from perception import Bundle, Frame, Perceiver, PerceptionError, Status
from perception.classes import DRIVE
from perception.decode.instances import choose_grouping
from perception.engines.base import ReadyEngine
from perception.engines.registry import open_engine
from perception.errors import ConfigError
from perception.evaluation.scoring import subject_of
from perception.pixels import BT709, Yuv420
from perception.resample import input_size
from perception.simulation import Drive, parse_options
from tests.conftest import COLOURS_BGR, nearest_colour


@pytest.fixture(scope="module")
def perceiver(colour_bundle: Bundle) -> Perceiver:
    return Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1)


def street(height: int, width: int) -> npt.NDArray[np.uint8]:
    """uint8 (h, w) class ids: sky over road, with a vehicle and two pedestrians."""
    labels = np.full((height, width), DRIVE.id("road"), np.uint8)
    labels[: height // 2] = DRIVE.id("sky")
    labels[height // 3 : height * 2 // 3, width // 4 : width // 2] = DRIVE.id("vehicle")
    labels[height // 3 : height * 5 // 6, width * 5 // 8 : width * 11 // 16] = DRIVE.id("pedestrian")
    labels[height // 3 : height * 2 // 3, width * 3 // 4 : width * 13 // 16] = DRIVE.id("pedestrian")
    return labels


BUDGET = 640 * 384


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(32**2, 10**6))
def test_input_sizes_fit_the_budget_in_whole_multiples(height: int, width: int, pixels: int) -> None:
    rows, columns = input_size(height, width, pixels, 32)
    assert rows % 32 == columns % 32 == 0
    assert 0 < rows * columns <= pixels
    assert input_size(width, height, pixels, 32) == (columns, rows)


@given(st.integers(16, 4000), st.integers(16, 4000))
def test_input_sizes_keep_the_aspect_and_use_the_budget(height: int, width: int) -> None:
    assume(1 / 4 <= height / width <= 4)
    rows, columns = input_size(height, width, BUDGET, 32)
    long, aspect = max(rows, columns), max(height, width) / min(height, width)
    assert abs(long - min(rows, columns) * aspect) <= 16 + 1e-9
    assert rows * columns >= 0.7 * BUDGET


@pytest.mark.parametrize(
    ("frame", "size"),
    [((720, 1280), (352, 640)), ((360, 480), (416, 544)), ((1280, 720), (640, 352)), ((16, 16), (480, 480))],
)
def test_input_sizes_of_usual_frames(frame: tuple[int, int], size: tuple[int, int]) -> None:
    assert input_size(*frame, BUDGET, 32) == size


def test_a_scene_tells_what_the_frame_shows(perceiver: Perceiver) -> None:
    truth = street(704, 1280)  # twice the network's 352 × 640
    frame = Frame(COLOURS_BGR[truth], stamp_ns=5, wall_ns=6, sequence=7, stem="a", camera="rear")
    before = time.perf_counter()
    scene = perceiver.perceive(frame)
    spent_ms = 1000 * (time.perf_counter() - before)

    assert (scene.stamp_ns, scene.wall_ns, scene.sequence, scene.stem, scene.camera) == (5, 6, 7, "a", "rear")
    assert scene.status is Status.OK
    assert scene.labels.dtype == np.uint8
    assert np.mean(scene.labels == truth) > 0.995  # what mixes on the borders may look like a third class
    assert [one.class_id for one in scene.instances] == [8, 9, 9]
    assert scene.instances[0].box == pytest.approx((320, 234, 640, 469), abs=2)
    assert list(scene.timings_ms) == ["prepare", "infer", "decode"]
    assert 0 < sum(scene.timings_ms.values()) <= scene.age_ms <= spent_ms


def test_what_is_left_out_is_told_and_the_labels_stay(perceiver: Perceiver) -> None:
    """As a node does that cannot keep up: a smaller input, and without road users and lanes."""
    frame = Frame(COLOURS_BGR[street(96, 160)], 0)
    full = perceiver.perceive(frame)
    assert full.instances and not full.left_out
    brief = replace(perceiver, labels_only=True).perceive(frame)
    assert (brief.instances, brief.lanes, brief.left_out) == ((), (), ("instances", "lanes"))
    assert not brief.instance_map.any()
    assert (brief.labels == full.labels).all()
    small = replace(perceiver, pixel_share=0.25)
    assert small.prepare(frame).size == perceiver.prepare(frame).size // 4
    assert small.perceive(frame).labels.shape == (96, 160)


def test_the_network_sees_as_many_pixels_as_are_asked_for(
    colour_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []

    def opener(bundle: Bundle, *rest: Any) -> ReadyEngine:
        sizes.append(bundle.info.input.pixels)  # TensorRT builds for a range of sizes around it
        return open_engine(bundle, *rest)

    monkeypatch.setattr("perception.perceiver.open_engine", opener)
    asked = Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1, pixels=64 * 96)
    frame = Frame(COLOURS_BGR[street(360, 640)], 0)
    assert sizes == [64 * 96]
    assert asked.prepare(frame).shape == (*input_size(360, 640, 64 * 96, 32), 3)
    assert replace(asked, pixel_share=0.5).prepare(frame).shape == (*input_size(360, 640, 32 * 96, 32), 3)
    assert asked.perceive(frame).labels.shape == (360, 640)
    assert asked.model == "colour 1 at 6144 pixels"
    assert subject_of(asked).engine == "onnx-cpu, 6144 pixels"


def test_lane_boundaries_are_in_pixels_of_the_frame(perceiver: Perceiver) -> None:
    truth = np.full((704, 1280), DRIVE.id("road"), np.uint8)
    truth[:320] = DRIVE.id("sky")
    for x in (200, 1100):
        corners = np.array([[x - 20, 703], [x + 20, 703], [642, 320], [638, 320]], np.int32)
        cv2.fillPoly(truth, [corners], DRIVE.id("lane_marking"))
    scene = perceiver.perceive(Frame(COLOURS_BGR[truth], 0))
    assert [(lane.side, lane.kind) for lane in scene.lanes] == [("left", "solid"), ("right", "solid")]
    for lane, x in zip(scene.lanes, (200, 1100), strict=True):
        wanted = 640 + (x - 640) * (lane.points[:, 1] - 320) / (703 - 320)
        np.testing.assert_allclose(lane.points[:, 0], wanted, atol=4)
        assert lane.points[0, 1] > 690 and lane.points[-1, 1] < 360


def test_labels_are_the_networks_at_its_own_size(perceiver: Perceiver) -> None:
    image = np.random.default_rng(3).integers(0, 256, (352, 640, 3), np.uint8)
    np.testing.assert_array_equal(perceiver.perceive(Frame(image, 0)).labels, nearest_colour(image))


@pytest.mark.parametrize(
    ("height", "width"), [(16, 16), (17, 31), (360, 480), (719, 1279), (1080, 1920), (2160, 3840), (2000, 20)]
)
def test_any_size_of_frame_gives_a_scene_of_its_size(perceiver: Perceiver, height: int, width: int) -> None:
    truth = street(height, width)
    scene = perceiver.perceive(Frame(COLOURS_BGR[truth], 0))
    assert scene.labels.shape == scene.instance_map.shape == (height, width)
    assert np.mean(scene.labels == truth) > 0.9
    assert {one.id for one in scene.instances} == set(np.unique(scene.instance_map)) - {0}
    for one in scene.instances:
        ys, xs = np.nonzero(scene.instance_map == one.id)
        assert one.box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert set(scene.labels[ys, xs]) == {one.class_id}


def test_fine_texture_is_averaged_not_sampled(perceiver: Perceiver) -> None:
    """At 4K, bilinear sampling alone would see none of the lines."""
    image = np.zeros((2112, 3840, 3), np.uint8)
    image[:, ::6] = 240
    prepared = perceiver.prepare(Frame(image, 0))
    assert prepared.shape == (352, 640, 3)
    assert prepared.mean() == pytest.approx(40, abs=4)
    assert prepared.std() < 25


@pytest.mark.parametrize("size", [(352, 640), (720, 1280), (2112, 3840)])
def test_planes_are_shown_to_the_network_in_the_same_colours(
    perceiver: Perceiver, size: tuple[int, int]
) -> None:
    truth = street(*size)
    smooth = cv2.GaussianBlur(COLOURS_BGR[truth], (0, 0), size[0] / 90).astype(np.uint8)
    frame = Frame(Yuv420.of(smooth, BT709, full_range=True), 0)
    prepared = perceiver.prepare(frame)
    assert np.abs(prepared.astype(int) - perceiver.prepare(Frame(smooth, 0))).max() <= 8
    again = perceiver.prepare(Frame(smooth, 1, sequence=1), [frame])
    np.testing.assert_array_equal(again, perceiver.prepare(Frame(smooth, 0)))
    found = perceiver.perceive(frame)
    assert found.labels.shape == size and np.mean(found.labels == truth) > 0.9


def test_frames_may_run_in_parallel(perceiver: Perceiver) -> None:
    rng = np.random.default_rng(0)
    images = [
        cv2.blur(rng.integers(0, 256, (180, 320, 3), np.uint8), (9, 9)).astype(np.uint8) for _ in range(12)
    ]
    frames = [Frame(image, stamp_ns=i, sequence=i) for i, image in enumerate(images)]
    alone = [perceiver.perceive(frame) for frame in frames]
    with ThreadPoolExecutor(4) as workers:
        for one, other in zip(alone, workers.map(perceiver.perceive, frames), strict=True):
            assert one.sequence == other.sequence
            assert one.labels.tobytes() == other.labels.tobytes()
            assert one.instance_map.tobytes() == other.instance_map.tobytes()


def test_views_of_other_memory_order_are_taken(perceiver: Perceiver) -> None:
    image = COLOURS_BGR[street(352, 640)]
    mirrored = perceiver.perceive(Frame(image[:, ::-1], 0))
    straight = perceiver.perceive(Frame(image, 0))
    np.testing.assert_array_equal(mirrored.labels, straight.labels[:, ::-1])


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((48, 64), np.uint8),
        np.zeros((48, 64, 4), np.uint8),
        np.zeros((48, 64, 3), np.uint16),
        np.zeros((0, 64, 3), np.uint8),
    ],
)
def test_an_image_that_is_not_bgr_is_refused(perceiver: Perceiver, image: npt.NDArray[np.uint8]) -> None:
    with pytest.raises(PerceptionError, match=r"frame 3: .*uint8 \(h, w, 3\)"):
        perceiver.perceive(Frame(image, 0, sequence=3))


def test_a_perceiver_is_built_of_a_bundle_and_an_engine(colour_bundle: Bundle) -> None:
    perceiver = Perceiver(
        colour_bundle.info,
        open_engine(colour_bundle),
        choose_grouping(colour_bundle.info, colour_bundle.classes),
    )
    assert perceiver.classes == DRIVE


def test_importing_the_api_loads_no_runtime() -> None:
    heavy = "onnxruntime", "torch", "av"
    code = f"import sys, perception; print([name for name in {heavy} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "[]\n"
    )


def test_the_crf_moves_borders_between_classes_and_little_else() -> None:
    image = Drive(parse_options("seed=4&size=320x192&time=day")).render(30).image
    frame = Frame(image, stamp_ns=0)
    plain, refined = (
        Perceiver.load("drive", "onnx-cpu", crf=crf).perceive(frame).labels for crf in (False, True)
    )
    assert 0.8 < np.mean(plain == refined) < 1


def test_the_crf_needs_logits(colour_bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match=r"crf: needs the output logits, the bundle .* gives labels"):
        Perceiver.load(colour_bundle.folder, crf=True)


def test_a_way_of_telling_instances_apart_needs_its_outputs(colour_bundle: Bundle) -> None:
    with pytest.raises(ConfigError, match="'centres': needs the outputs labels, centres, offsets, borders"):
        Perceiver.load(colour_bundle.folder, instances="centres")
    with pytest.raises(ConfigError, match="not a way of separating instances"):
        Perceiver.load(colour_bundle.folder, instances="magic")


@pytest.mark.parametrize("way", ["centres", "borders", "components"])
def test_every_way_finds_the_vehicle_ahead(way: str) -> None:
    drive = Drive(parse_options("seed=3&size=1280x720&time=day&weather=clear"))
    rendering = drive.render(130)
    scene = Perceiver.load("drive", "onnx-cpu", instances=way).perceive(Frame(rendering.image, stamp_ns=0))
    areas = np.bincount(rendering.truth.instance_map.ravel(), minlength=9000)
    areas[: 1000 * DRIVE.id("vehicle")] = areas[9000:] = 0
    mask = rendering.truth.instance_map == areas.argmax()
    best = max(
        np.count_nonzero(mask & found) / np.count_nonzero(mask | found)
        for found in (scene.instance_map == one.id for one in scene.instances)
    )
    assert best > 0.5
