"""The lanes that true labels of simulated drives give."""

import numpy as np
import numpy.typing as npt
import pytest

from perception.classes import DRIVE
from perception.decode.lanes import find_lanes
from perception.evaluation.metrics.lanes import LaneScore, score_lanes, visible_lanes
from perception.scene import Lane
from perception.simulation import Drive, SimulationOptions

PAINT = DRIVE.id("lane_marking")
HEIGHT, WIDTH = 320, 576
LIGHTS = (("day", "clear"), ("night", "clear"), ("day", "rain"))
Labels = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def drives() -> list[tuple[str, tuple[Lane, ...], tuple[Lane, ...], Labels]]:
    """Of simulated frames: the scene, the found boundaries, the true ones and the true labels."""
    frames = []
    for scene in ("town", "country", "highway"):
        for seed, (light, weather) in enumerate(LIGHTS * 2):
            options = SimulationOptions(seed, (WIDTH, HEIGHT), time=light, weather=weather, scene=scene)
            for index in (30, 700):
                truth = Drive(options).render(index).truth
                frames.append(
                    (scene, find_lanes(truth.labels, DRIVE, HEIGHT, WIDTH), truth.lanes, truth.labels)
                )
    return frames


@pytest.mark.parametrize(("scene", "least"), [("town", 0.93), ("country", 0.95), ("highway", 0.94)])
def test_true_labels_of_simulated_drives_give_the_true_lanes(drives, scene: str, least: float) -> None:  # type: ignore[no-untyped-def]
    score, kinds = LaneScore(), []
    for of, found, true, labels in drives:
        if of == scene:
            score += score_lanes(found, true, HEIGHT, WIDTH, visible_lanes(true, labels, PAINT))
            kinds += [
                (one.kind, other.kind)
                for one in found
                for other in true
                if score_lanes([one], [other], HEIGHT, WIDTH).right
            ]
    assert score.true > 20
    assert score.f1 > least
    assert score.precision > 0.93
    assert score.lateral_error_px < 1.0
    right = [one == other for one, other in kinds if one != "unknown"]
    assert len(right) > 0.6 * len(kinds)
    assert np.mean(right) > 0.9


def test_the_ego_lane_of_simulated_drives(drives) -> None:  # type: ignore[no-untyped-def]
    """Each side is the true line next to the middle of the car."""
    right = []
    for _, found, true, _ in drives:
        for lane in found:
            if lane.side is not None:
                sign = -1 if lane.side == "left" else 1
                score = [score_lanes([lane], [one], HEIGHT, WIDTH).right for one in true]
                reach = [_at_the_car(one) * sign for one in true]
                nearest = min((r for r in reach if r > 0), default=np.inf)
                right.append(any(s and r < nearest + 60 for s, r in zip(score, reach, strict=True)))
    assert len(right) > len(drives)
    assert np.mean(right) > 0.95


def _at_the_car(lane: Lane) -> float:
    """Where a line's first two points lead to in the lowest row, in px to the right of the middle."""
    (x0, y0), (x1, y1) = lane.points[:2].astype(float)
    return float(x0 + (HEIGHT - 1 - y0) * (x1 - x0) / min(y1 - y0, -1e-6) - WIDTH / 2)
