"""When the supervisor has the node leave things out to keep up, and when it takes that back."""

from typing import Any

import pytest

from perception.health.degradation import STEPS
from perception.health.types import NodeState
from tests.node.supervised import Supervised


def steps(one: Supervised) -> list[str]:
    """The names of the steps that health had, one after the other."""
    names = [""]
    for health in one.healths:
        if health.step != names[-1]:
            names.append(health.step)
    return names


def first(one: Supervised, name: str) -> float:
    """When health first had that step."""
    return next(one.at(health) for health in one.healths if health.step == name)


def camera(patch: pytest.MonkeyPatch, state: NodeState = NodeState.ACTIVE, **options: Any) -> Supervised:
    """At 25 fps, with scenes 40 ms old."""
    one = Supervised(patch, state=state, **options)
    one.period_s = 0.04
    return one


def test_a_node_that_keeps_up_leaves_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    one = camera(monkeypatch, min_rate=10.0)
    one.run(30)
    assert steps(one) == [""] and one.step is STEPS[0]


def test_scenes_that_come_too_late_for_three_seconds_step_the_node_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = camera(monkeypatch, max_age_ms=250.0)
    one.age_ms = 300.0
    one.run(5)
    assert steps(one) == ["", STEPS[1].name]
    assert 3.0 <= first(one, STEPS[1].name) <= 3.5
    assert one.step is STEPS[1]
    assert [record.step for record in caplog.records if hasattr(record, "step")] == [STEPS[1].name]


def test_it_steps_down_further_each_three_seconds_while_scenes_are_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = camera(monkeypatch)
    one.age_ms = 300.0
    one.run(20)
    assert steps(one) == [step.name for step in STEPS]


def test_a_step_that_helps_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """After half a minute in time scenes come too late, until the first step: it is judged by itself."""
    one = camera(monkeypatch)
    one.then_set(30.0, age_ms=300.0)
    one.then(30.0, lambda: late_until_stepped(one))
    one.run(45)
    assert steps(one)[:2] == ["", STEPS[1].name]
    assert 33 <= first(one, STEPS[1].name) <= 34.7  # two seconds show that most are late, three that it lasts
    assert STEPS[2].name not in steps(one)


def late_until_stepped(one: Supervised) -> None:
    one.age_ms = 40.0 if one.step is not STEPS[0] else 300.0
    one.then(one.seconds + 0.04, lambda: late_until_stepped(one))


def test_where_no_age_is_allowed_every_scene_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    one = camera(monkeypatch, max_age_ms=0.0)
    one.run(5)
    assert steps(one) == ["", STEPS[1].name]


def test_some_late_scenes_are_no_reason_to_step_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of five: most are in time."""
    one = camera(monkeypatch)
    for number in range(500):
        one.then_set(0.04 * number - 0.001 if number else 0.0, age_ms=400.0 if number % 5 < 2 else 100.0)
    one.run(20)
    assert steps(one) == [""]
    assert max(health.age_ms[1] for health in one.healths) == pytest.approx(400)


def test_where_scenes_may_have_any_age_none_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    one = camera(monkeypatch, max_age_ms=None)
    one.age_ms = 60_000.0
    one.run(20)
    assert steps(one) == [""]


def test_too_few_scenes_step_the_node_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 25 frames a second five are published, where ten are wanted."""
    one = camera(monkeypatch, min_rate=10.0)
    one.every = 5
    one.run(6)
    assert steps(one)[:2] == ["", STEPS[1].name]


def test_as_few_scenes_as_wanted_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    one = camera(monkeypatch, min_rate=4.0)
    one.every = 5
    one.run(20)
    assert steps(one) == [""]


def test_a_camera_that_gives_few_frames_is_no_reason_to_step_down(monkeypatch: pytest.MonkeyPatch) -> None:
    one = camera(monkeypatch, min_rate=10.0)
    one.period_s = 0.2
    one.run(30)
    assert steps(one) == [""]


@pytest.mark.parametrize(("age_ms", "back"), [(170.0, True), (180.0, False)])
def test_it_steps_up_again_once_all_scenes_are_well_below_the_limit(
    monkeypatch: pytest.MonkeyPatch, age_ms: float, back: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Below 70 % of 250 ms there is room; it must last for ten seconds."""
    one = camera(monkeypatch, max_age_ms=250.0)
    one.age_ms = 300.0
    one.then_set(4.0, age_ms=age_ms)
    one.run(60)
    names = [step.name for step in STEPS]
    places = [names.index(name) for name in steps(one)]
    deepest = max(places)
    down = list(range(deepest + 1))
    assert deepest > 0
    assert places == (down + down[-2::-1] if back else down)
    assert ("back to full quality" in caplog.text) is back
    if back:
        first_up = min(
            one.at(health)
            for health in one.healths
            if health.step == names[deepest - 1] and one.at(health) > first(one, names[deepest])
        )
        assert first_up >= 14


def test_where_every_frame_counts_quality_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    one = camera(monkeypatch, freshest=False)
    one.age_ms = 300.0
    one.run(20)
    assert steps(one) == [""]


def test_a_node_that_is_not_active_steps_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    one = camera(monkeypatch, NodeState.INACTIVE)
    one.age_ms = 300.0
    one.run(20)
    assert steps(one) == [""]
