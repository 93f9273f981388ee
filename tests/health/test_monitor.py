"""Health is told of a camera's life frame by frame, in simulated time."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.frame import DropReason
from perception.health.degradation import STEPS
from perception.health.monitor import CLEAR_AFTER_S, LATELY_NS, RAISE_AFTER_S
from perception.health.types import Finding, Level, Link, LinkState, NodeState
from perception.scene import Signal, Status
from perception.types import NS_PER_MS, NS_PER_S
from tests.health.watched_camera import PERIOD, Camera, reason, told


def test_a_sound_camera_has_nothing_amiss_and_true_figures() -> None:
    camera = Camera(max_age_ms=100)
    health = camera.frames(10)
    assert (health.signal, health.level, health.conditions) == (Signal.OK, Level.OK, ())
    assert health.rate_in == health.rate_out == pytest.approx(25)
    assert (health.age_ms, health.infer_ms, health.jitter_ms) == ((40, 40), (20, 20), 0)
    assert (health.captured, health.published, health.in_hand, health.connections) == (250, 250, 0, 1)
    assert (health.camera, health.state, health.wall_ns) == ("front", NodeState.ACTIVE, 5)
    assert all(one.conditions == () for one in camera.moments[1:])


def test_a_stall_is_stale_after_two_periods_and_no_signal_after_a_second() -> None:
    camera = Camera()
    camera.frames(3)
    last = camera.now - 40 * NS_PER_MS  # when the last frame came
    camera.moments.clear()
    camera.silence(2)
    first = {one.signal: one for one in reversed(camera.moments)}
    assert (first[Signal.STALE].stamp_ns - last) / NS_PER_MS == pytest.approx(80, abs=20)
    assert (first[Signal.NO_SIGNAL].stamp_ns - last) / NS_PER_MS == pytest.approx(1000, abs=20)
    assert told(first[Signal.STALE]) == {}  # one late frame is no condition
    late = next(one for one in camera.moments if one.conditions)
    assert told(late) == {"stalled": Level.WARN}
    assert (late.stamp_ns - last) / NS_PER_MS == pytest.approx(80 + 1000 * RAISE_AFTER_S, abs=40)
    assert told(first[Signal.NO_SIGNAL]) == {"signal": Level.ERROR, "stalled": Level.WARN}
    assert reason(first[Signal.NO_SIGNAL], "signal") == "no signal: no frame for 1.0 s"
    assert camera.frames(0.1).signal is Signal.OK
    assert camera.frames(CLEAR_AFTER_S + 2).conditions == ()


def test_a_slow_camera_has_four_periods() -> None:
    camera = Camera(rate=0.5)
    camera.frames(30, interval_ns=2 * NS_PER_S)
    camera.moments.clear()
    camera.silence(10)
    gone = next(one for one in camera.moments if one.signal is Signal.NO_SIGNAL)
    assert gone.silent_ms == pytest.approx(8000, abs=20)


def test_a_lost_link_is_no_signal_at_once_and_says_why() -> None:
    camera = Camera()
    camera.frames(3)
    camera.told["link"] = Link(LinkState.LOST, "connection refused", 3)
    health = camera.ask()
    assert (health.signal, health.level, health.link) == (Signal.NO_SIGNAL, Level.ERROR, "lost")
    assert reason(health, "signal").endswith(": connection refused")


def test_no_frame_yet_is_no_signal_once_the_node_is_active() -> None:
    camera = Camera()
    camera.told["link"] = Link(LinkState.CONNECTING)
    health = camera.ask(NodeState.INACTIVE)
    assert (health.signal, health.level, health.silent_ms) == (Signal.NO_SIGNAL, Level.OK, None)
    assert not camera.ask().conditions  # a camera may take a moment
    assert reason(camera.silence(1.1), "signal") == "no signal: no frame has come yet"


def test_a_recording_has_no_signal_to_lose() -> None:
    camera = Camera(live=False)
    camera.told["link"] = None
    camera.infer_ms = 500
    camera.frames(3, interval_ns=200 * NS_PER_MS)
    health = camera.silence(5)
    assert (health.signal, health.conditions, health.link) == (Signal.OK, (), "")


def test_a_low_rate() -> None:
    camera = Camera()
    health = camera.frames(5, interval_ns=60 * NS_PER_MS)
    assert told(health) == {"rate": Level.WARN}
    assert reason(health, "rate") == "low frame rate: 16.7 a second, at least 20.0 (80 % of 25)"
    assert told(Camera(min_rate=16).frames(5, interval_ns=60 * NS_PER_MS)) == {}
    assert told(Camera(min_rate=26).frames(5)) == {}  # as fast as it says it is


@pytest.mark.parametrize(
    ("nominal", "period_ms", "least"),
    [
        (10, 100.1, ""),  # 9.99
        (30, 100.1, ""),  # of a camera that does not say its rate, 30 is assumed
        (30, 108.0, ""),  # 9.3
        (30, 120.0, "8.3 a second, at least 9.0 (90 % of --min-rate, 10)"),
        (5, 200.0, ""),
        (5, 240.0, ""),
        (5, 260.0, "3.8 a second, at least 4.0 (80 % of 5)"),
    ],
)
def test_a_camera_may_be_as_slow_as_it_says(nominal: float, period_ms: float, least: str) -> None:
    camera = Camera(rate=nominal, min_rate=10)
    health = camera.frames(20, interval_ns=round(period_ms * NS_PER_MS))
    assert [one.reason for one in health.conditions if one.name == "rate"] == (
        [f"low frame rate: {least}"] if least else []
    )


def test_uneven_frames() -> None:
    camera = Camera()
    for _ in range(60):
        camera.frames(0.04, interval_ns=20 * NS_PER_MS)  # two soon after one another, then none
        health = camera.silence(0.08)
    assert told(health) == {"jitter": Level.WARN, "rate": Level.WARN}
    assert reason(health, "jitter") == "frames come unevenly: jitter 40 ms, at most 30 ms (half a period)"
    assert health.rate_in == pytest.approx(16.7, rel=0.05)


@pytest.mark.parametrize(("late", "level"), [(0, None), (30, Level.WARN), (60, Level.ERROR)])
def test_scenes_too_old(late: int, level: Level | None) -> None:
    """`late` of a hundred scenes are older than they may be."""
    camera = Camera(max_age_ms=100)
    for k in range(200):
        old = (k * 7919) % 100 < late
        camera.age_ms, camera.status = (130.0, Status.STALE) if old else (50.0, Status.OK)
        health = camera.frames(0.04)
    assert told(health).get("age") is level
    assert health.stale == 2 * late
    if level:
        assert reason(health, "age").startswith("scenes older than 100 ms: ")


def test_an_engine_above_its_budget() -> None:
    camera = Camera(workers=2)
    camera.infer_ms = 79
    assert camera.frames(3).conditions == ()
    camera.infer_ms = 90
    health = camera.frames(12)
    assert told(health) == {"engine_time": Level.WARN}
    assert reason(health, "engine_time") == (
        "the network takes 90 ms a frame, at most 80 ms (2 at a time, a frame every 40 ms)"
    )
    camera.told["step"] = STEPS[3]  # every second frame: twice the time, and it is said that it stepped down
    assert told(camera.frames(CLEAR_AFTER_S + 1)) == {"stepped_down": Level.WARN}


@pytest.mark.parametrize(
    ("why", "share", "level"),
    [
        (DropReason.FAILED, 0.01, Level.WARN),
        (DropReason.FAILED, 0.6, Level.ERROR),
        (DropReason.UNDECODABLE, 0.1, Level.WARN),
        (DropReason.UNDECODABLE, 0.8, Level.ERROR),
        (DropReason.SUPERSEDED, 0.6, None),
        (DropReason.DECIMATED, 0.6, None),
    ],
)
def test_frames_that_fail(why: DropReason, share: float, level: Level | None) -> None:
    camera = Camera()
    camera.drop, camera.published_share = why, 1 - share
    health = camera.frames(8)
    assert told(health) == ({str(why): level} if level else {})
    assert health.dropped == {str(why): health.captured - health.published}
    camera.published_share = 1
    assert camera.frames(LATELY_NS / NS_PER_S + CLEAR_AFTER_S + 0.1).conditions == ()


def test_frames_come_but_no_scene() -> None:
    camera = Camera()
    camera.frames(3)
    camera.published_share = 0
    health = camera.frames(3)
    assert told(health)["unpublished"] is Level.ERROR
    assert reason(health, "unpublished") == "frames come, but no scene for 3.0 s, at most 2.0 s"


def test_a_stream_that_lags() -> None:
    camera = Camera()
    camera.told["link"] = Link(LinkState.STREAMING, lag_ms=800)
    health = camera.frames(1)
    assert reason(health, "backlog") == "frames wait 800 ms in the stream's buffers, at most 500 ms"


def test_what_the_picture_shows_lasts_until_the_signal_is_gone() -> None:
    camera = Camera()
    camera.frames(1)
    camera.findings = (Finding("black", Level.ERROR, "the picture is black"),)
    assert camera.frames(RAISE_AFTER_S / 2).conditions == ()
    assert told(camera.frames(RAISE_AFTER_S)) == {"black": Level.ERROR}
    camera.findings = ()
    assert told(camera.frames(CLEAR_AFTER_S / 2)) == {"black": Level.ERROR}
    assert camera.frames(CLEAR_AFTER_S).conditions == ()
    camera.findings = (Finding("black", Level.ERROR, "the picture is black"),)
    assert told(camera.silence(CLEAR_AFTER_S + 2)) == {"signal": Level.ERROR}


def test_it_tells_when_something_changed() -> None:
    camera = Camera()
    camera.frames(5)

    def changed() -> bool:
        camera.frames(0.02)  # asked once
        return camera.monitor.changed

    assert not changed()
    camera.told["step"] = STEPS[1]
    assert changed()
    assert not changed()
    camera.told["link"] = Link(LinkState.LOST)
    assert changed()


@settings(max_examples=12, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["frames", "silence", "slow"]), st.floats(0.05, 3)), min_size=1, max_size=5
    )
)
def test_the_signal_is_what_the_silence_says_at_every_moment(course: list[tuple[str, float]]) -> None:
    """By definition, from the true time of the last frame; and the level is the worst condition's."""
    camera = Camera()
    camera.frames(1)
    camera.moments.clear()
    for what, seconds in course:
        camera._run(seconds, {"frames": PERIOD, "slow": 70 * NS_PER_MS, "silence": None}[what])
    for health in camera.moments:
        assert health.silent_ms is not None
        if health.silent_ms > 1001:
            assert health.signal is Signal.NO_SIGNAL
        elif 145 < health.silent_ms < 999:
            assert health.signal is Signal.STALE
        elif health.silent_ms < 75:
            assert health.signal is Signal.OK
        assert health.level is max((one.level for one in health.conditions), default=Level.OK)
        assert health.captured == health.published + sum(health.dropped.values()) + health.in_hand


def test_threads_may_tell_while_one_asks() -> None:
    camera = Camera()

    def tell(worker: int) -> None:
        for k in range(300):
            camera.monitor.arrived(k * PERIOD)
            camera.times.add("infer", worker, at_ns=k * PERIOD)
            camera.monitor.published((), k * PERIOD)

    with ThreadPoolExecutor(3) as threads:
        telling = [threads.submit(tell, worker) for worker in range(3)]
        for _ in range(50):
            camera.ask()
        for one in telling:
            one.result()
    camera.now = 300 * PERIOD
    assert camera.ask().infer_ms[0] == 1  # the median of as many 0, 1 and 2
