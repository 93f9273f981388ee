"""When the supervisor has the node leave things out to keep up, and when it takes that back."""

from typing import Any

import pytest

from perception.health.degradation import STEPS
from perception.health.types import Link, LinkState, NodeState
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
    assert steps(one) == [""] and one.step == STEPS[0]


def test_scenes_that_come_too_late_for_three_seconds_step_the_node_down(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one = camera(monkeypatch, max_age_ms=250.0)
    one.age_ms = 300.0
    one.run(5)
    assert steps(one) == ["", STEPS[1].name]
    assert 3.0 <= first(one, STEPS[1].name) <= 3.5
    assert one.step == STEPS[1]
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
    one.age_ms = 40.0 if one.step != STEPS[0] else 300.0
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


def test_frames_on_which_the_engine_fails_are_no_reason_to_step_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 12 frames a second 8 are published, where 10 are wanted: less work makes no more of them."""
    one = camera(monkeypatch, min_rate=10.0)
    one.period_s, one.fails = 1 / 12, 3
    one.run(30)
    assert steps(one) == [""]
    assert any(condition.name == "failed" for condition in one.healths[-1].conditions)


def test_a_camera_that_is_away_says_nothing_of_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was too slow, has no room now, and would be too slow again once it is back."""
    one = camera(monkeypatch)
    one.age_ms = 300.0
    one.then_set(4.0, age_ms=200.0)
    one.then_set(20.0, period_s=None, link=Link(LinkState.LOST, "unplugged"))
    one.then_set(40.0, period_s=0.04, link=Link(LinkState.STREAMING, connections=2))
    one.run(60)
    assert steps(one) == ["", STEPS[1].name]


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


def test_without_a_least_rate_quality_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--min-rate 0`: neither for few scenes nor for old ones."""
    one = camera(monkeypatch, min_rate=0.0)
    one.age_ms, one.every = 300.0, 25
    one.run(30)
    assert steps(one) == [""]


def test_road_users_and_lanes_are_the_last_that_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    one = camera(monkeypatch)
    one.age_ms = 300.0
    one.run(20)
    assert [step.split(", ")[-1] for step in steps(one)[1:]] == [
        "smaller input (62 % of the pixels)",
        "every second frame",
        "no road users and lanes",
    ]


@pytest.mark.parametrize(("decode_ms", "left_out"), [(6.0, False), (7.0, True)])
def test_road_users_are_left_out_only_where_they_take_a_quarter_of_the_time(
    monkeypatch: pytest.MonkeyPatch, decode_ms: float, left_out: bool
) -> None:
    """The network takes 20 ms."""
    one = camera(monkeypatch)
    one.age_ms, one.decode_ms = 300.0, decode_ms
    one.run(60)
    assert one.step.every == 2
    assert one.step.heads is not left_out


def test_frames_are_left_out_only_where_enough_remain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 25 frames a second every second one is 12.5: enough for 12, too few for 13."""
    for min_rate, every in ((12.0, 2), (13.0, 1)):
        one = camera(monkeypatch, min_rate=min_rate)
        one.age_ms = 300.0
        one.run(20)
        assert (one.step.every, one.step.pixel_share, one.step.heads) == (every, 0.625, False)


def test_for_more_scenes_no_frames_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    one = camera(monkeypatch, min_rate=10.0)
    one.every = 5
    one.run(30)
    assert one.step == STEPS[-1].__class__(
        "smaller input (62 % of the pixels), no road users and lanes", 0.625, heads=False
    )


def test_a_step_that_leaves_frames_out_does_not_make_scenes_too_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 22 frames a second and every second one perceived, 11 scenes are all that there can be."""
    one = camera(monkeypatch, min_rate=10.0)
    one.period_s, one.age_ms, one.decode_ms = 1 / 22, 300.0, 1.0
    one.then(0.5, lambda: follow_step(one))
    one.run(40)
    assert steps(one) == [step.name for step in STEPS[:3]]


def test_a_camera_that_slows_down_while_frames_are_left_out_gives_no_fewer_scenes_than_it_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Half of 20 is below 12, but no step makes more of it."""
    one = camera(monkeypatch, min_rate=12.0)
    one.age_ms = 300.0
    one.then(0.5, lambda: follow_step(one))
    one.then_set(12.0, period_s=0.05)
    one.run(40)
    assert steps(one) == [step.name for step in STEPS[:3]]


def follow_step(one: Supervised) -> None:
    """As a node does: of so many frames one is perceived; then scenes come in time."""
    one.every = one.step.every
    one.age_ms = 240.0 if one.every == 2 else 300.0
    one.then(one.seconds + 0.04, lambda: follow_step(one))


@pytest.mark.parametrize(
    ("age_ms", "transport_ms", "late_by_transport"),
    [
        (300.0, 260.0, True),  # too old when they arrive
        (2000.0, 260.0, True),
        (300.0, 240.0, True),  # 240 and half of 60 would be too old, too
        (300.0, 200.0, False),  # 200 and half of 100 are in time
        (2000.0, 50.0, False),  # most of it is the node's own, though it will not do
        (240.0, 235.0, False),  # in time
    ],
)
def test_what_the_transport_delays_is_said_and_nothing_is_left_out_for_it(
    monkeypatch: pytest.MonkeyPatch, age_ms: float, transport_ms: float, late_by_transport: bool
) -> None:
    one = camera(monkeypatch, max_age_ms=250.0)
    one.age_ms, one.transport_ms = age_ms, transport_ms
    one.run(10)
    reasons = [
        each.reason for health in one.healths for each in health.conditions if each.name == "transport"
    ]
    assert bool(reasons) is late_by_transport
    if late_by_transport:
        says = f"the transport delays frames by {transport_ms:.0f} ms: scenes are {age_ms:.0f} ms old"
        assert all(reason.startswith(says) for reason in reasons)
    assert (len(steps(one)) > 1) is (age_ms > 250 and not late_by_transport)


def test_steps_are_taken_back_where_no_frame_arrives_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    one = camera(monkeypatch)
    one.age_ms = 300.0
    one.then_set(4.0, age_ms=400.0, transport_ms=350.0)
    one.run(20)
    assert steps(one) == ["", STEPS[1].name, ""]


def test_frames_that_fail_are_no_reason_to_step_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller pictures would fail as well, and those of other cameras with them."""
    one = camera(monkeypatch, min_rate=10.0)
    one.every = 10**9  # none is published
    one.run(20)
    assert steps(one) == [""]
    assert any(condition.name == "unpublished" for condition in one.healths[-1].conditions)
