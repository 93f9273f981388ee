import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from perception.bundle.bundle import Bundle
from perception.health.degradation import DOWN_AFTER_NS, LONGEST_UP_NS, STEPS, UP_AFTER_NS, Degradation, Load
from perception.resample import input_size
from perception.types import NS_PER_S

TICK = NS_PER_S // 2
# Runs of half-seconds that are too slow, fitting, or have room.
RUNS = st.lists(st.tuples(st.sampled_from(["slow", "fits", "room"]), st.integers(1, 60)), max_size=15)


def walk(degradation: Degradation, says: list[str], start: int = 0) -> list[int]:
    """The step's number after each half-second."""
    return [
        step_after(degradation, say == "slow", say == "room", start + k * TICK) for k, say in enumerate(says)
    ]


def step_after(degradation: Degradation, too_slow: bool, has_room: bool, now_ns: int) -> int:
    before = degradation.step
    assert degradation.update(too_slow, has_room, now_ns) == (degradation.step is not before)
    return STEPS.index(degradation.step)


def spread(runs: list[tuple[str, int]]) -> list[str]:
    return [say for say, length in runs for _ in range(length)]


@given(RUNS)
def test_no_step_is_skipped_or_taken_sooner_than_the_waits_allow(runs: list[tuple[str, int]]) -> None:
    says = spread(runs)
    steps = [0, *walk(Degradation(), says)]
    for k, (before, after) in enumerate(pairwise(steps)):
        assert abs(after - before) <= 1
        if after > before:  # the whole of the wait was too slow, at this step
            wait = DOWN_AFTER_NS // TICK
            assert says[k - wait : k + 1] == ["slow"] * (wait + 1)
            assert len(set(steps[k - wait + 1 : k + 1])) == 1
        if after < before:
            wait = UP_AFTER_NS // TICK
            assert says[k - wait : k + 1] == ["room"] * (wait + 1)
            assert len(set(steps[k - wait + 1 : k + 1])) == 1


@given(RUNS)
def test_with_room_for_long_it_is_back_at_full_quality(runs: list[tuple[str, int]]) -> None:
    says = spread(runs)
    long = ["room"] * (3 * LONGEST_UP_NS // TICK + 3)
    assert walk(Degradation(), says + long)[-1] == 0


@given(st.integers(1, 3), st.integers(200, 4000))
def test_a_load_between_two_steps_makes_it_swing_ever_more_seldom(limit: int, ticks: int) -> None:
    """A machine that is too slow above a step and has room at it: the next try is put off, up to 5 min."""
    degradation, steps = Degradation(), [0]
    for k in range(ticks):
        too_slow = steps[-1] < limit
        steps.append(step_after(degradation, too_slow, not too_slow, k * TICK))
    ups = [k for k, (before, after) in enumerate(pairwise(steps)) if after < before]
    gaps = [(after - before) * TICK for before, after in pairwise(ups)]
    for n, gap in enumerate(gaps, start=1):
        assert gap >= min(2**n * UP_AFTER_NS, LONGEST_UP_NS)
        assert gap <= min(2**n * UP_AFTER_NS, LONGEST_UP_NS) + DOWN_AFTER_NS + 2 * TICK
    assert max(steps) <= limit


def test_the_steps_leave_out_ever_more() -> None:
    for before, after in pairwise(STEPS):
        assert after.pixel_share <= before.pixel_share
        assert after.heads <= before.heads
        assert after.every >= before.every
        assert (after.pixel_share, after.heads, after.every) != (
            before.pixel_share,
            before.heads,
            before.every,
        )
    assert (STEPS[0].name, STEPS[0].pixel_share, STEPS[0].heads, STEPS[0].every) == ("", 1, True, 1)


def test_down_to_the_last_step_and_up_again() -> None:
    degradation = Degradation()
    down = walk(degradation, ["slow"] * 40)
    assert [down.index(step) * TICK / NS_PER_S for step in (1, 2, 3)] == [3, 6, 9]
    assert down[-1] == 3
    up = walk(degradation, ["room"] * 80, start=20 * NS_PER_S)
    assert [up.index(step) * TICK / NS_PER_S for step in (2, 1, 0)] == [10, 20, 30]


def test_cameras_that_share_threads_go_down_when_any_is_too_slow_and_up_when_all_have_room() -> None:
    """Each by itself, the first one to step down would leave the other at full quality."""
    degradation = Degradation()
    for k in range(8):  # one after the other, as threads that are too few come to each
        degradation.update(k < 4, k >= 4, k * TICK, camera="camera 0")
        degradation.update(k >= 3, k < 3, k * TICK, camera="camera 1")
    assert degradation.step == STEPS[1]
    for k in range(8, 40):
        degradation.update(False, True, k * TICK, camera="camera 0")
        degradation.update(False, False, k * TICK, camera="camera 1")
    assert degradation.step == STEPS[1]
    for k in range(40, 40 + UP_AFTER_NS // TICK + 3):  # the other one has ended
        degradation.update(False, True, k * TICK, camera="camera 0")
    assert degradation.step == STEPS[0]


def test_a_time_of_which_nobody_knew_anything_counts_neither_way() -> None:
    """As while the camera is away: what lasted before it is not what lasts after it."""
    degradation = Degradation()
    for k in (0, 1, 2, 40, 41):
        degradation.update(True, False, k * TICK)
    assert degradation.step == STEPS[0]
    walk(degradation, ["slow"] * 7, start=42 * TICK)
    assert degradation.step == STEPS[1]
    walk(degradation, ["room"] * 3, start=60 * TICK)
    walk(degradation, ["room"] * 3, start=60 * TICK + UP_AFTER_NS)
    assert degradation.step == STEPS[1]


def test_a_step_is_chosen_by_those_that_are_too_slow() -> None:
    degradation = Degradation()
    for k in range(8):
        degradation.update(True, False, k * TICK, lambda step: step.every > 1, camera="slow")
        degradation.update(False, True, k * TICK, lambda step: step.pixel_share < 1, camera="quick")
    assert degradation.step.every == 2 and degradation.step.pixel_share == 1


def test_a_step_shows_the_flagship_as_many_pixels_as_it_says() -> None:
    """Sides are multiples of 32: of 60 % of the pixels, 47 % would be left."""
    taken = Bundle.load("drive").info.input
    full = math.prod(input_size(720, 1280, taken.pixels, taken.multiple))
    shares = {step.pixel_share for step in STEPS} - {1.0}
    assert shares
    for share in shares:
        shown = math.prod(input_size(720, 1280, round(share * taken.pixels), taken.multiple)) / full
        named = next(step.name for step in STEPS if step.pixel_share == share)
        assert f"smaller input ({shown:.0%}".replace("%", " %") in named


def test_a_rate_that_is_nearly_the_cameras_is_no_fault_of_the_machine() -> None:
    """Of 11 frames a second 9.5 are published: over two seconds, that may be chance."""
    rates = dict.fromkeys(("age_ms", "max_age_ms", "transport_ms", "network_ms", "decode_ms"), 0.0)
    assert not Load(rate_in=11.0, rate_out=9.5, min_rate=10.0, **rates).too_few()
    assert Load(rate_in=12.0, rate_out=9.5, min_rate=10.0, **rates).too_few()
