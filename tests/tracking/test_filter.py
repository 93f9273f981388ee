"""The filter of the boxes against the textbook's: matrices of place and speed, one edge at a time."""

import numpy as np
import numpy.typing as npt
import pytest

from perception import Instance, Scene, Tracker
from perception.tracking.objects import ACCELERATION, EDGE_NOISE, EDGE_NOISE_PX, SPEED

LABELS, INSTANCES = np.zeros((1, 1), np.uint8), np.zeros((1, 1), np.uint16)
SIDE = 64.0  # of all boxes: a size is so many pixels
Floats = npt.NDArray[np.float64]


class Kalman:
    """Place and speed of one edge under white-noise acceleration (Bar-Shalom et al., 2001, section 6.2.2).

    In pixels; the covariance of the tracker, in sizes of the box, is this one over SIDE².
    """

    def __init__(self, place: float) -> None:
        self.noise = (EDGE_NOISE * SIDE) ** 2 + EDGE_NOISE_PX**2
        self.state = np.array([place, 0.0])
        self.covariance = np.diag([self.noise, (SPEED * SIDE) ** 2])

    def step(self, seconds: float, place: float | None) -> None:
        """Predict, and take in where the edge was found, if it was."""
        moves = np.array([[1.0, seconds], [0.0, 1.0]])
        shaken = np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
        self.state = moves @ self.state
        self.covariance = moves @ self.covariance @ moves.T + (ACCELERATION * SIDE) ** 2 * shaken
        if place is None:
            return
        sees = np.array([[1.0, 0.0]])
        total = sees @ self.covariance @ sees.T + self.noise
        gain = self.covariance @ sees.T / total
        self.state = self.state + (gain * (place - sees @ self.state)).ravel()
        # Joseph's form holds for any gain, so a wrong one shows.
        rest = np.eye(2) - gain @ sees
        self.covariance = rest @ self.covariance @ rest.T + self.noise * gain @ gain.T


def scene(seconds: float, x: float | None) -> Scene:
    box = (x or 0.0, 50.0, (x or 0.0) + SIDE, 50.0 + SIDE)
    instances = () if x is None else (Instance(8001, 8, 0.9, box),)
    return Scene(0, round(seconds * 1e9), 0, "", "front", LABELS, INSTANCES, instances)


def of(tracker: Tracker) -> tuple[Floats, Floats]:
    """State and covariance of the left edge of the only track, in pixels."""
    (track,) = tracker._tracks
    covariance = np.array(
        [[track["place_variance"], track["covariance"]], [track["covariance"], track["speed_variance"]]]
    )
    return np.array([track["box"][0], track["speed"][0]]), covariance * SIDE**2


@pytest.mark.parametrize("rate", [30.0, 10.0])
def test_a_box_is_filtered_as_the_textbook_has_it(rate: float) -> None:
    """Found with some noise, for a while missed, and found again."""
    rng = np.random.default_rng(1)
    tracker, expected = Tracker(), Kalman(100.0)
    tracker.update(scene(0.0, 100.0))
    missed = range(12, 15)
    for k in range(1, 40):
        x = None if k in missed else 100.0 + 120 * k / rate + float(rng.normal(0, 2))
        tracker.update(scene(k / rate, x))
        expected.step(1 / rate, x)
        state, covariance = of(tracker)
        assert state == pytest.approx(expected.state, rel=1e-6)
        assert covariance == pytest.approx(expected.covariance, rel=1e-6)


def test_frames_at_any_distance_in_time_are_filtered_as_the_textbook_has_it() -> None:
    rng = np.random.default_rng(2)
    tracker, expected, now = Tracker(), Kalman(100.0), 0.0
    tracker.update(scene(0.0, 100.0))
    for _ in range(60):
        step = round(float(rng.uniform(0.005, 0.4)), 9)
        now += step
        x = 100.0 + 60 * now + float(rng.normal(0, 1))
        tracker.update(scene(now, x))
        expected.step(step, x)
        state, covariance = of(tracker)
        assert state == pytest.approx(expected.state, rel=1e-5)
        assert covariance == pytest.approx(expected.covariance, rel=1e-5)


def test_a_prediction_grows_less_sure_with_the_time_it_reaches_over() -> None:
    """An edge of known place and speed is off by ACCELERATION · √(s³ / 3) sizes after s seconds."""
    tracker = Tracker()
    for k in range(200):
        tracker.update(scene(k / 100, 100.0))
    before = of(tracker)[1]
    seconds = 0.9
    tracker.update(scene(1.99 + seconds, None))
    spread = of(tracker)[1][0, 0] - np.array([1, seconds]) @ before @ np.array([1, seconds])
    assert np.sqrt(spread) / SIDE == pytest.approx(0.6 * np.sqrt(seconds**3 / 3), rel=1e-6)


def test_a_speed_is_the_surer_the_longer_it_was_watched() -> None:
    tracker = Tracker()
    deviations = []
    for k in range(30):
        tracker.update(scene(k / 30, 100.0 + 4 * k))
        deviations.append(float(np.sqrt(of(tracker)[1][1, 1])) / SIDE)
    assert deviations[0] == pytest.approx(SPEED)
    assert deviations[5] < 0.5 and deviations[29] < 0.3
    assert of(tracker)[0][1] == pytest.approx(120, rel=0.01)  # px a second
