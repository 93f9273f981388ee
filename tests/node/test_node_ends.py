"""How a run ends: what broke is said, and every frame before it is accounted for."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception.errors import EngineError, PerceptionError, SinkError, SourceError
from perception.frame import Drop, DropReason, Frame
from perception.perceiver import Perceiver
from tests.node.nodes import (
    ListSink,
    ListSource,
    frame,
    frames,
    make_node,
    reconciles,
    watched,
)


@pytest.mark.parametrize("realtime", [False, True])
def test_a_recording_of_which_no_frame_is_published_has_failed(perceiver: Perceiver, realtime: bool) -> None:
    items = [Drop(k, DropReason.UNDECODABLE, f"a/{k}.png: empty file") for k in range(3)]
    source = ListSource(items)
    node = make_node(source, perceiver, [ListSink()], realtime=realtime)
    with pytest.raises(SourceError) as error:
        node.run()
    assert str(error.value) == (
        "source list: 3 of 3 frames were dropped (3 undecodable); the first: a/0.png: empty file"
    )
    assert reconciles(node) and source.closed


def test_a_recording_on_which_the_engine_fails_throughout_has_failed(perceiver: Perceiver) -> None:
    def fail(run: int) -> None:
        raise EngineError("broken")

    node = make_node(ListSource(frames(3)), watched(perceiver, fail)[0], [ListSink()], realtime=True)
    with pytest.raises(
        SourceError, match=r"3 of 3 frames were dropped .*failed.*; the first: frame 0: broken"
    ):
        node.run()
    assert reconciles(node)


def test_a_recording_without_a_frame_has_failed(perceiver: Perceiver) -> None:
    with pytest.raises(SourceError, match="source list: it gives no frame"):
        make_node(ListSource([]), perceiver, [ListSink()]).run()


def test_a_run_that_is_stopped_before_its_first_scene_has_not_failed(perceiver: Perceiver) -> None:
    class Stopping(ListSource):
        def __iter__(self) -> Iterator[Frame | Drop]:
            yield Drop(0, DropReason.UNDECODABLE, "a/0.png: empty file")
            node.stop()

    node = make_node(Stopping([]), perceiver, [ListSink()])
    node.run()
    assert node.accounting.captured == 1


def test_a_source_that_breaks_keeps_the_frames_before(perceiver: Perceiver) -> None:
    source, sink = ListSource([*frames(9), SourceError("source list: cut off")]), ListSink()
    node = make_node(source, perceiver, [sink])
    with pytest.raises(SourceError, match="cut off"):
        node.run()
    assert sink.sequences == list(range(9))
    assert node.accounting.published == 9
    assert reconciles(node)
    assert source.closed and sink.closed


def test_a_sink_that_breaks_leaves_the_others_all_frames(perceiver: Perceiver) -> None:
    good, bad, source = ListSink("good"), ListSink("bad", fail_at=3), ListSource(frames(60))
    node = make_node(source, perceiver, [good, bad], workers=2)
    with pytest.raises(SinkError, match="disk is full"):  # at the end: the exit status tells
        node.run()
    assert good.sequences == list(range(60))
    assert bad.sequences == [0, 1, 2]
    assert node.accounting.published == 60
    states = node.report().sinks
    assert [state.written for state in states] == [60, 3]
    assert [sum(state.lost.values()) for state in states] == [0, 57]
    assert reconciles(node)
    assert source.closed and good.closed and bad.closed


def test_a_recording_ends_where_no_sink_takes_frames_any_more(perceiver: Perceiver) -> None:
    sink, source = ListSink(fail_at=3), ListSource(frames(500))
    node = make_node(source, perceiver, [sink], workers=2)
    with pytest.raises(SinkError, match="disk is full"):
        node.run()
    assert sink.sequences == [0, 1, 2]
    assert 3 < node.accounting.published < 20
    assert node.accounting.dropped[DropReason.STOPPED] == node.accounting.captured - node.accounting.published
    assert source.read < 30
    assert reconciles(node)
    assert source.closed and sink.closed


def test_an_engine_that_breaks_ends_the_run_after_the_frames_before(perceiver: Perceiver) -> None:
    def fail(run: int) -> None:
        if run == 5:
            raise EngineError("engine watched: out of memory")

    broken, _ = watched(perceiver, fail)
    source, sink = ListSource(frames(60)), ListSink()
    node = make_node(source, broken, [sink], workers=1)
    with pytest.raises(EngineError, match="out of memory"):
        node.run()
    assert sink.sequences == [0, 1, 2, 3, 4]
    assert reconciles(node)
    assert source.closed and sink.closed


def test_stop_publishes_what_is_in_hand(perceiver: Perceiver) -> None:
    source, sink = ListSource(frames(500)), ListSink()
    node = make_node(source, perceiver, [sink], workers=2, on_scene=lambda scene: stop(scene.sequence))

    def stop(sequence: int) -> None:
        if sequence == 4:
            node.stop()

    node.run()
    assert 5 <= len(sink.scenes) <= 12
    assert sink.sequences == list(range(source.read))
    assert reconciles(node) and not node.accounting.dropped


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kinds=st.lists(st.sampled_from("ffffffd"), max_size=20),
    ending=st.sampled_from(["end", "source", "engine", "sink"]),
    workers=st.integers(1, 4),
    realtime=st.booleans(),
)
def test_every_frame_is_accounted_for_however_it_ends(
    perceiver: Perceiver, kinds: list[str], ending: str, workers: int, realtime: bool
) -> None:
    items: list[Frame | Drop | PerceptionError] = [
        frame(i, 1) if kind == "f" else Drop(i, DropReason.UNDECODABLE, f"{i}")
        for i, kind in enumerate(kinds)
    ]
    if ending == "source":
        items.append(SourceError("cut off"))

    def fail(run: int) -> None:
        if ending == "engine" and run == 3:
            raise EngineError("broken")

    broken, _ = watched(perceiver, fail)
    sink = ListSink(fail_at=3 if ending == "sink" else None)
    node = make_node(ListSource(items), broken, [sink], workers=workers, realtime=realtime)
    with suppress(PerceptionError):
        node.run()
    assert reconciles(node)
    assert sink.sequences == sorted(sink.sequences)
    [state] = node.report().sinks
    assert node.accounting.published == state.written + sum(state.lost.values())
    assert state.written == len(sink.scenes)
    if ending in {"end", "source"}:
        assert node.accounting.captured == len(kinds)
        assert node.accounting.dropped[DropReason.UNDECODABLE] == kinds.count("d")
        if not realtime:
            assert node.accounting.published == kinds.count("f")
