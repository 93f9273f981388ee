"""What an embedding program gives a node: each wrong value is refused by name, before anything runs."""

import math
from typing import Any

import numpy as np
import pytest

from perception.errors import ConfigError
from perception.frame import DropReason, Frame
from perception.node.arguments import check_numbers, policy_of
from perception.perceiver import Perceiver
from perception.sources.push import PushSource
from perception.types import Policy
from tests.node.nodes import ListSink, ListSource, frame, frames, make_node, reconciles


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("max_age_ms", [math.nan, -1, "250", True]),
        ("min_rate", [-1.0, math.inf]),
        ("give_up_s", [0, math.nan]),
        ("hang_s", [0, math.nan]),
        ("frames", [0, -1]),
        ("workers", [-1]),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused_by_name(name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ConfigError, match=rf"{name}: .* is refused; give a number, (above 0|0 or more)"):
            check_numbers({name: value})


def test_numbers_that_can_be_meant_are_taken(perceiver: Perceiver) -> None:
    check_numbers(
        {"max_age_ms": 0, "min_rate": 0, "workers": 0, "give_up_s": None, "frames": 1, "hang_s": 0.1}
    )
    with pytest.raises(ConfigError, match="workers: -1 is refused"):
        make_node(ListSource([]), perceiver, [], workers=-1)


def test_a_policy_may_be_named() -> None:
    live, recording = PushSource(), ListSource([])
    assert policy_of(live, None) is Policy.FRESHEST and policy_of(recording, None) is Policy.EVERY_FRAME
    assert policy_of(recording, "freshest") is Policy.FRESHEST  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="policy: 'nonsense' is none; give one of freshest, every-frame"):
        policy_of(live, "nonsense")  # type: ignore[arg-type]


def test_a_node_runs_once(perceiver: Perceiver) -> None:
    node = make_node(ListSource(frames(2)), perceiver, [ListSink()])
    node.run()
    with pytest.raises(ConfigError, match="a node runs once; make a new one, with a new source"):
        node.run()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (Frame(None, 80, sequence=2), "the image is NoneType; was it read"),  # type: ignore[arg-type]
        (Frame(frame(2).image, math.nan, sequence=2), "stamp_ns is nan, give whole nanoseconds"),  # type: ignore[arg-type]
        (Frame(frame(2).image, 80, sequence=2, pixel_aspect=0), "pixel_aspect is 0, give one above 0"),
        (Frame(np.zeros((9, 9), np.uint8), 80, sequence=2), "the image is uint8"),
    ],
)
def test_a_frame_that_is_none_costs_that_frame(wrong: Frame, words: str, perceiver: Perceiver) -> None:
    """As a program hands in what a driver failed to read."""
    sink = ListSink()
    node = make_node(ListSource([frame(0), frame(1), wrong, frame(3)]), perceiver, [sink])
    node.run()
    assert sink.sequences == [0, 1, 3] and reconciles(node)
    assert node.report().dropped == {DropReason.UNDECODABLE: 1}
    assert any(words in message for message in node.report().messages)
