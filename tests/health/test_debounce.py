from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.health.debounce import Debounce
from perception.health.types import Condition, Finding, Level
from perception.types import NS_PER_S

RAISE_S, CLEAR_S = 0.5, 2.0
LEVELS = st.sampled_from([Level.OK, Level.WARN, Level.ERROR])
# Steps of 0.1 s, each with the level that is found during it; long runs of one level among short ones.
COURSES = st.lists(st.tuples(LEVELS, st.integers(1, 30)), max_size=12).map(
    lambda runs: [level for level, length in runs for _ in range(length)]
)
STEP = NS_PER_S // 10


def finding(level: Level, name: str = "black", reason: str = "") -> list[Finding]:
    return [] if level is Level.OK else [Finding(name, level, reason or f"{name} {level.name}")]


def levels(course: list[Level], conditions: Debounce) -> list[Level]:
    """The condition's level after each step."""
    told: list[Level] = []
    for k, level in enumerate(course):
        before = told[-1] if told else Level.OK
        now = conditions.update(finding(level), k * STEP)
        told.append(max((one.level for one in now), default=Level.OK))
        assert conditions.changed == (told[-1] != before)
    return told


@given(COURSES)
def test_a_level_is_what_lasted_long_enough(course: list[Level]) -> None:
    """By definition: up to the least found in the last 0.5 s, down to the most of the last 2 s."""
    expected = Level.OK
    for k, told in enumerate(levels(course, Debounce(RAISE_S, CLEAR_S))):
        last = course[max(0, k - 5) : k + 1] if k >= 5 else [Level.OK]
        since = course[max(0, k - 20) : k + 1] if k >= 20 else [Level.ERROR]
        expected = min(max(expected, min(last)), max(since))
        assert told is expected


@given(COURSES)
def test_it_never_flaps_faster_than_the_times_allow(course: list[Level]) -> None:
    told = [Level.OK, *levels(course, Debounce(RAISE_S, CLEAR_S))]
    changes = [(k, told[k] > told[k - 1]) for k in range(1, len(told)) if told[k] != told[k - 1]]
    for (before, up), (after, up_again) in pairwise(changes):
        if up != up_again:
            assert (after - before) * STEP >= (RAISE_S if up_again else CLEAR_S) * NS_PER_S


@given(COURSES, LEVELS)
def test_what_stays_is_raised_and_what_is_gone_is_cleared(course: list[Level], last: Level) -> None:
    assert levels([*course, *[last] * 21], Debounce(RAISE_S, CLEAR_S))[-1] is last


def test_a_stall_is_raised_at_once_and_clears_like_the_rest() -> None:
    conditions = Debounce(RAISE_S, CLEAR_S, at_once=["stall"])
    found = [*finding(Level.ERROR, "stall"), *finding(Level.ERROR, "black")]
    assert [one.name for one in conditions.update(found, 0)] == ["stall"]
    assert [one.name for one in conditions.update([], NS_PER_S)] == ["stall"]
    assert conditions.update([], 3 * NS_PER_S) == ()


def test_conditions_tell_the_latest_reason_and_how_long_they_have_been_found() -> None:
    conditions = Debounce(RAISE_S, CLEAR_S)
    conditions.update(finding(Level.WARN, reason="mean 9"), 0)
    (condition,) = conditions.update(finding(Level.WARN, reason="mean 7"), NS_PER_S)
    assert condition == Condition("black", Level.WARN, "mean 7", 1.0)
    (condition,) = conditions.update([], 2 * NS_PER_S)
    assert condition == Condition("black", Level.WARN, "mean 7", 2.0)


def test_a_reason_fits_its_level() -> None:
    """An error that has just become a warning is still told with what made it one."""
    conditions = Debounce(RAISE_S, CLEAR_S)
    for now in (0, NS_PER_S):
        conditions.update(finding(Level.ERROR, reason="mean 2"), now)
    (condition,) = conditions.update(finding(Level.WARN, reason="mean 11"), 2 * NS_PER_S)
    assert (condition.level, condition.reason) == (Level.ERROR, "mean 2")
    (condition,) = conditions.update(finding(Level.WARN, reason="mean 11"), 4 * NS_PER_S)
    assert (condition.level, condition.reason) == (Level.WARN, "mean 11")


def test_the_worst_comes_first_and_the_worst_of_a_name_counts() -> None:
    conditions = Debounce(0, 0)
    found = [
        Finding("a", Level.WARN, "1"),
        Finding("b", Level.ERROR, "2"),
        Finding("b", Level.WARN, "3"),
    ]
    told = [(one.name, one.level, one.reason) for one in conditions.update(found, 0)]
    assert told == [("b", Level.ERROR, "2"), ("a", Level.WARN, "1")]


@pytest.mark.parametrize("level", [Level.WARN, Level.ERROR])
def test_a_short_finding_is_none(level: Level) -> None:
    conditions = Debounce(RAISE_S, CLEAR_S)
    assert conditions.update(finding(level), 0) == ()
    assert conditions.update(finding(level), 4 * STEP) == ()
    assert conditions.update([], 6 * STEP) == ()
    assert conditions.update(finding(level), 8 * STEP) == ()  # and the time before the break does not count
