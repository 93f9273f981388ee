"""The loop: order, completeness, overlap, age, and what its report says."""

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from perception.classes import UNKNOWN
from perception.frame import Drop, DropReason
from perception.health.latency import Stopwatch
from perception.node.node import STAGES
from perception.perceiver import Perceiver
from perception.scene import Status
from tests.media import passing, picture, truth
from tests.node.nodes import (
    HEIGHT,
    WIDTH,
    ListSink,
    ListSource,
    frame,
    frames,
    make_node,
    reconciles,
    until,
    watched,
)


def test_a_recording_loses_nothing_and_comes_out_in_order(perceiver: Perceiver) -> None:
    """Workers finish in any order; scenes come in the frames', each with its own frame's labels."""
    pauses = np.random.default_rng(1).uniform(0, 0.02, 40)
    all_four = threading.Barrier(4)

    def pause(run: int) -> None:
        if run < 4:
            all_four.wait(20)  # passes only with four frames in the network at a time
        time.sleep(pauses[run])

    slow, engine = watched(perceiver, pause)
    source, sink = ListSource(frames(40)), ListSink()
    node = make_node(source, slow, [sink], workers=4)
    node.run()
    assert sink.sequences == list(range(40))
    for scene in sink.scenes:
        bands = [int(scene.labels[32, x]) for x in range(4, 96, 8)]
        assert bands == [int(label) for label in truth(scene.sequence, HEIGHT, WIDTH)[32, 4:96:8]]
        assert scene.stamp_ns == 40_000_000 * scene.sequence
        assert scene.status is Status.OK
        assert set(scene.timings_ms) == {"read", "prepare", "infer", "decode", "track", "check", "draw"}
    assert engine.most_at_once == 4
    assert (node.accounting.captured, node.accounting.published) == (40, 40)
    assert reconciles(node)
    assert source.closed and sink.closed


@pytest.mark.parametrize("workers", [1, 4])
def test_road_users_are_tracked_in_the_order_of_the_frames(perceiver: Perceiver, workers: int) -> None:
    """A vehicle that passes keeps its id, also when later frames are perceived before earlier ones."""
    pauses = np.random.default_rng(2).uniform(0, 0.02, 20)
    slow, _ = watched(perceiver, lambda run: time.sleep(pauses[run]))
    items = [replace(frame(k), pixels=passing(k, HEIGHT, WIDTH)) for k in range(20)]
    sink = ListSink()
    make_node(ListSource(items), slow, [sink], workers=workers).run()
    assert [[one.track for one in scene.instances] for scene in sink.scenes] == [[1]] * 20


def test_without_tracks_no_instance_has_one(perceiver: Perceiver) -> None:
    items = [replace(frame(k), pixels=passing(k, HEIGHT, WIDTH)) for k in range(3)]
    sink = ListSink()
    node = make_node(ListSource(items), perceiver, [sink], tracks=False)
    node.run()
    assert [[one.track for one in scene.instances] for scene in sink.scenes] == [[None]] * 3
    assert "track" not in sink.scenes[0].timings_ms
    assert not {"denoise", "track"} & set(node.report().stages)


def test_reading_ahead_is_bounded(perceiver: Perceiver) -> None:
    gate = threading.Event()
    held, _ = watched(perceiver, lambda run: gate.wait(60))
    source = ListSource(frames(100))
    node = make_node(source, held, [], workers=2)
    running = threading.Thread(target=node.run)
    running.start()
    until(lambda: source.read >= 5)
    time.sleep(0.2)
    ahead = source.read
    gate.set()
    running.join(60)
    assert ahead == 5  # twice the workers, and one that waits for room
    assert node.accounting.published == 100


def test_same_labels_with_any_number_of_workers(perceiver: Perceiver) -> None:
    def labels(workers: int) -> bytes:
        sink = ListSink()
        make_node(ListSource(frames(12)), perceiver, [sink], workers=workers).run()
        return b"".join(scene.labels.tobytes() + scene.instance_map.tobytes() for scene in sink.scenes)

    assert labels(1) == labels(3)


def test_frames_limits_what_is_captured(perceiver: Perceiver) -> None:
    source, sink = ListSource(frames(50)), ListSink()
    node = make_node(source, perceiver, [sink], frames=7)
    node.run()
    assert sink.sequences == list(range(7))
    assert source.read == 7
    assert reconciles(node)


def test_undecodable_frames_are_dropped_by_name(perceiver: Perceiver) -> None:
    items = frames(6)
    items[2] = Drop(2, DropReason.UNDECODABLE, "a/0002.png: empty file")
    sink = ListSink()
    node = make_node(ListSource(items), perceiver, [sink])
    node.run()
    assert sink.sequences == [0, 1, 3, 4, 5]
    report = node.report()
    assert (report.captured, report.published, report.dropped) == (6, 5, {"undecodable": 1})
    assert "a/0002.png: empty file" in report.messages


def test_old_scenes_are_published_as_stale(perceiver: Perceiver) -> None:
    slow, _ = watched(perceiver, lambda run: time.sleep(0.08 if run == 2 else 0))
    sink = ListSink()
    node = make_node(ListSource(frames(5)), slow, [sink], workers=1, max_age_ms=1e6)
    node.run()
    assert {scene.status for scene in sink.scenes} == {Status.OK}

    sink = ListSink()
    node = make_node(ListSource(frames(3)), perceiver, [sink], max_age_ms=1e-3)
    node.run()
    assert {scene.status for scene in sink.scenes} == {Status.STALE}
    assert all(scene.age_ms > 1e-3 for scene in sink.scenes)
    assert node.report().stale == 3


def test_report_tells_all(perceiver: Perceiver) -> None:
    node = make_node(ListSource(frames(20), notes=["passed over 2 files"]), perceiver, [ListSink()])
    node.run()
    report = node.report("told")
    assert report.model == "colour 1"
    assert (report.engine, report.engine_reason) == ("onnx-cpu", "asked for")
    assert tuple(report.stages) == tuple(
        stage for stage in STAGES if stage not in ("transport", "denoise", "locate")
    )
    for stage in report.stages.values():
        assert 0 < stage.p50 <= stage.p95 <= stage.p99 < 10_000
    assert report.stages["end_to_end"].p50 > report.stages["infer"].p50
    assert report.cpu_share is not None and 0 < report.cpu_share <= report.process_cpu_share * 1.02
    assert report.stages["infer"].cpu is not None
    assert report.fps == pytest.approx(20 / report.seconds)
    assert report.as_json()["stages"]["infer"]["p50"] == report.stages["infer"].p50
    assert report.as_json()["failure"] == "told"
    assert "passed over 2 files" in report.messages


def test_of_an_engine_that_computes_in_threads_of_its_own_no_cpu_time_is_told(perceiver: Perceiver) -> None:
    """OpenVINO's callers only wait: their CPU time made it look ten times as cheap as it is."""
    one, engine = watched(perceiver, lambda _: None)
    engine.info = replace(engine.info, own_threads=True)
    node = make_node(ListSource(frames(5)), one, [ListSink()])
    node.run()
    report = node.report()
    assert report.cpu_share is report.stages["infer"].cpu is None
    assert report.process_cpu_share > 0 and report.stages["decode"].cpu is not None


def test_an_ego_mask_of_another_aspect_costs_no_frame_and_is_a_finding(perceiver: Perceiver) -> None:
    """As where a camera changes its size: the mask is in force where it fits, and health says where not."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[-8:] = True
    sizes = [(HEIGHT, WIDTH)] * 3 + [(HEIGHT, WIDTH // 2)] * 3
    items = [replace(frame(k), pixels=picture(k, *size)) for k, size in enumerate(sizes)]
    sink = ListSink()
    node = make_node(ListSource(items), replace(perceiver, ego_mask=mask), [sink])
    node.run()
    assert [scene.ego_mask is not None for scene in sink.scenes] == [True] * 3 + [False] * 3
    assert all((scene.labels[-8:] == UNKNOWN).all() for scene in sink.scenes[:3])
    said = [one.reason for one in node._postprocess.finish(items[-1], sink.scenes[-1], Stopwatch())[1]]
    assert (
        f"no ego mask: is {WIDTH}×{HEIGHT}, the frame {WIDTH // 2}×{HEIGHT}; give one of the frame's aspect"
        in said
    )
