"""Key points of people on foot, against the figures' geometry and what the frame shows."""

import numpy as np
import pytest

from perception.classes import KEY_POINTS, MIRRORED
from perception.simulation import Drive, SimulationOptions
from perception.simulation.canvas import Cutout
from perception.simulation.figures import Figures, outfit
from perception.simulation.joints import SHORTEST, visible_key_points
from perception.simulation.look import make_look
from perception.simulation.textures import Sprite

KIND = {name: kind for kind, name in enumerate(KEY_POINTS)}
LOOK = make_look("clear", "day", np.random.default_rng(0))


def walker(*, aside: bool = False, back: bool = False, phase: int = 2) -> Sprite:
    return Figures(LOOK).walker(outfit(np.random.default_rng(1)), phase, aside, back)


def standing(sprite: Sprite, left: int, top: int, height: int, instance: int) -> Cutout:
    rows, columns = sprite.shape
    frame = (left, top, left + round(height * columns / rows), top + height)
    box = (max(left, 0), *frame[1:])
    return Cutout(sprite, frame, 10.0, box, (1.0, (0.0, 0.0, 0.0)), 9, instance)


def shown(*items: Cutout, size: tuple[int, int] = (240, 320)) -> np.ndarray:
    instances = np.zeros(size, np.uint16)
    for item in items:
        item.fill(instances, item.instance)
    return visible_key_points(items, instances)


@pytest.mark.parametrize("back", [False, True])
def test_a_figure_seen_from_before_and_behind(back: bool) -> None:
    points = shown(standing(walker(back=back), 40, 20, 205, 9001))
    at = {KEY_POINTS[int(kind)]: (x, y) for kind, x, y, _ in points}
    assert set(at) == set(KEY_POINTS)
    # 205 px for the 2.05 m of the picture: 1 px is 1 cm, and a figure is 1.8 m tall.
    assert points[:, 3] == pytest.approx(180)
    ground, middle = 20 + 205 - 2.5, 40 + 65
    assert at["head"] == pytest.approx((middle, ground - 165), abs=3)
    assert at["hips"] == pytest.approx((middle, ground - 90), abs=3)
    assert at["head"][1] < at["neck"][1] < at["hips"][1] < at["left_hand"][1] + 8
    assert max(at["left_foot"][1], at["right_foot"][1]) == pytest.approx(ground - 5, abs=2)
    # A figure that faces the camera has its left side at the image's right; one that turns away, at its left.
    side = 1 if back else -1
    for limb in ("hand", "foot"):
        assert side * (at[f"right_{limb}"][0] - at[f"left_{limb}"][0]) > 10


def test_who_walks_aside_has_one_foot_before_the_other() -> None:
    at = {KEY_POINTS[int(kind)]: x for kind, x, *_ in shown(standing(walker(aside=True), 40, 20, 205, 9001))}
    # At a quarter of the gait the near side, the right one, leads; its arm swings back.
    assert at["left_foot"] + 60 < at["right_foot"]
    assert at["right_hand"] < at["left_hand"]


def test_what_is_nearer_hides_joints() -> None:
    person, other = walker(), standing(walker(back=True), 130, 20, 205, 9002)
    alone = shown(standing(person, 40, 20, 205, 9001))
    both = shown(standing(person, 40, 20, 205, 9001), other)
    assert len(both) == 2 * len(alone)
    instances = np.zeros((240, 320), np.uint16)
    behind = standing(person, 40, 20, 205, 9001)
    behind.fill(instances, behind.instance)
    instances[120:] = 0  # a wall up to the waist
    kinds = {KEY_POINTS[int(kind)] for kind in visible_key_points([behind], instances)[:, 0]}
    assert kinds == {"head", "neck"}


def test_outside_the_frame_and_too_small_there_is_nothing() -> None:
    half = shown(standing(walker(), -60, 20, 205, 9001))
    assert set(half[:, 0].astype(int)) >= {KIND["head"], KIND["left_hand"]}
    assert KIND["right_hand"] not in half[:, 0]
    assert (half[:, 1] >= -0.5).all()
    assert len(shown(standing(walker(), 40, 20, round(SHORTEST * 2.05 / 1.8) - 1, 9001))) == 0
    assert len(shown(standing(walker(), 40, 20, round(SHORTEST * 2.05 / 1.8) + 1, 9001))) > 0
    assert shown().shape == (0, 4)


def test_mirroring_swaps_left_and_right() -> None:
    for kind, mirrored in enumerate(MIRRORED):
        assert MIRRORED[mirrored] == kind
        swapped = KEY_POINTS[kind].replace("left", "*")
        assert KEY_POINTS[mirrored] == swapped.replace("right", "left").replace("*", "right")


def test_points_of_a_drive_lie_on_people_and_are_the_same_again() -> None:
    options = SimulationOptions(seed=2, size=(640, 360), scene="town", weather="clear", time="day")
    truth, again = (Drive(options).render(120).truth for _ in range(2))
    points = truth.key_points
    np.testing.assert_array_equal(points, again.key_points)
    assert points.dtype == np.float32
    assert len(points) > 10
    columns, rows = np.rint(points[:, 1:3]).astype(int).T
    assert (truth.instance_map[rows, columns] // 1000 == 9).all()
    assert (points[:, 3] >= SHORTEST).all()
