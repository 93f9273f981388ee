"""Networks that see several frames, and the denoiser, in the running node."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from perception import Bundle, Frame, Perceiver, Scene
from perception.frame import Drop, DropReason
from tests import graphs
from tests.media import picture, truth
from tests.node.nodes import LazySource, ListSink, ListSource, make_node, reconciles, until, watched

HEIGHT, WIDTH = 48, 80


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def two_before(folder: Path) -> Perceiver:
    """Gives, of three frames, the first as its picture."""
    return Perceiver.load(graphs.delayed(folder / "delayed", frames=3).folder, "onnx-cpu", threads=1)


def grey(sequence: int, height: int = HEIGHT, period_ms: int = 40) -> Frame:
    """A frame that shows its own number."""
    image = np.full((height, WIDTH, 3), sequence, np.uint8)
    return Frame(image, period_ms * 1_000_000 * sequence, sequence=sequence)


def shown(scene: Scene) -> int:
    """Which frame the picture shows."""
    assert scene.picture is not None
    (number,) = np.unique(scene.picture)
    return int(number)


def run(perceiver: Perceiver, items: Sequence[Frame | Drop], workers: int = 2) -> dict[int, int]:
    sink = ListSink()
    node = make_node(ListSource(items), perceiver, [sink], workers=workers)
    node.run()
    assert reconciles(node)
    return {scene.sequence: shown(scene) for scene in sink.scenes}


@pytest.mark.parametrize("workers", [1, 4])
def test_each_frame_is_seen_with_the_two_before_it(two_before: Perceiver, workers: int) -> None:
    """However late a worker comes to it."""
    pauses = np.random.default_rng(1).uniform(0, 0.01, 30)
    slow, engine = watched(two_before, lambda run: time.sleep(pauses[run]))
    assert run(slow, [grey(k) for k in range(30)], workers) == {k: max(0, k - 2) for k in range(30)}
    assert engine.most_at_once <= workers


def test_after_a_gap_the_history_starts_anew(two_before: Perceiver) -> None:
    items: list[Frame | Drop] = [grey(k) for k in range(8)]
    items[4] = Drop(4, DropReason.UNDECODABLE, "frame 4")
    assert run(two_before, items) == {0: 0, 1: 0, 2: 0, 3: 1, 5: 5, 6: 5, 7: 5}


def test_at_another_size_the_history_starts_anew(two_before: Perceiver) -> None:
    items = [grey(k, HEIGHT if k < 3 else 2 * HEIGHT) for k in range(6)]
    assert run(two_before, items) == {0: 0, 1: 0, 2: 0, 3: 3, 4: 3, 5: 3}


def test_at_another_shape_of_pixels_the_history_starts_anew(two_before: Perceiver) -> None:
    items = [replace(grey(k), pixel_aspect=1.0 if k < 3 else 1.1) for k in range(6)]
    assert run(two_before, items) == {0: 0, 1: 0, 2: 0, 3: 3, 4: 3, 5: 3}


def test_where_the_clock_runs_back_the_history_starts_anew(two_before: Perceiver) -> None:
    items = [replace(grey(k), stamp_ns=10**9 + k if k < 3 else k) for k in range(6)]
    assert run(two_before, items) == {0: 0, 1: 0, 2: 0, 3: 3, 4: 3, 5: 3}


def test_at_a_splice_the_history_starts_again(two_before: Perceiver) -> None:
    """Where stamps go on, and no frame is missing."""
    items = [replace(grey(k), recording=int(k >= 3)) for k in range(6)]
    assert run(two_before, items) == {0: 0, 1: 0, 2: 0, 3: 3, 4: 3, 5: 3}


@pytest.mark.parametrize("workers", [1, 3])
def test_in_real_time_the_frames_before_are_the_cameras(two_before: Perceiver, workers: int) -> None:
    """Also those that were never perceived themselves."""
    source = ListSource([grey(k, period_ms=2) for k in range(60)])
    slow, _ = watched(two_before, lambda run: until(lambda: source.read >= min(7 * (run + 1), 60)))
    sink = ListSink()
    node = make_node(source, slow, [sink], workers=workers, realtime=True)
    node.run()
    assert node.report().dropped["superseded"] > 20
    assert {scene.sequence: shown(scene) for scene in sink.scenes} == {
        scene.sequence: max(0, scene.sequence - 2) for scene in sink.scenes
    }
    assert sink.sequences[-1] == 59
    assert reconciles(node)


def test_the_history_holds_no_more_than_is_seen(two_before: Perceiver) -> None:
    node = make_node(ListSource([grey(k) for k in range(20)]), two_before, [], workers=2)
    node.run()
    assert [frame.sequence for frame in node._pipeline.capture._recent] == [18, 19]


@dataclass
class OverlaySink(ListSink):
    overlays: list[npt.NDArray[np.uint8]] = field(default_factory=list)

    def write(self, frame: Frame, scene: Scene, overlay: npt.NDArray[np.uint8]) -> None:
        super().write(frame, scene, overlay)
        self.overlays.append(overlay)


def test_the_denoiser_is_a_stage_of_its_own(folder: Path, colour_bundle: Bundle) -> None:
    """Labels come from the restored frame; the overlay shows the recorded one."""
    denoiser = graphs.inverted(folder / "inverted")
    perceiver = Perceiver.load(colour_bundle.folder, "onnx-cpu", threads=1, denoise=denoiser.folder)
    items = [Frame(255 - picture(k, 64, 96), 40 * k, sequence=k) for k in range(6)]
    sink = OverlaySink()
    node = make_node(ListSource(items), perceiver, [sink], workers=3)
    node.run()
    for k, (scene, overlay) in enumerate(zip(sink.scenes, sink.overlays, strict=True)):
        assert np.mean(scene.labels == truth(k, 64, 96)) > 0.9
        assert list(scene.timings_ms)[:3] == ["read", "denoise", "prepare"]
        recorded, restored = (
            np.corrcoef(overlay[20:].ravel(), one[20:].ravel())[0, 1]
            for one in (items[k].image, picture(k, 64, 96))
        )
        assert recorded > restored
    report = node.report()
    assert report.model == "colour 1, after inverted 1"
    assert report.stages["denoise"].p50 > 0
    assert reconciles(node)


def test_what_a_network_gives_is_the_same_with_any_number_of_workers(two_before: Perceiver) -> None:
    def lazy() -> Iterator[Frame]:
        for k in range(10):
            yield replace(grey(k), pixels=np.random.default_rng(k).integers(0, 256, (50, 90, 3), np.uint8))

    def pictures(workers: int) -> bytes:
        sink = ListSink()
        make_node(LazySource(lazy()), two_before, [sink], workers=workers).run()
        return b"".join(scene.picture.tobytes() for scene in sink.scenes if scene.picture is not None)

    once = pictures(1)
    assert len(once) == 10 * 50 * 90 * 3
    assert pictures(3) == once
