"""Learning and scoring key points, against cases worked out by hand."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from perception.classes import KEY_POINTS
from perception.datasets.dataset import Sample
from perception.datasets.opening import open_dataset
from perception.decode.key_points import find_key_points
from perception.errors import DataError
from perception.evaluation.metrics.key_points import KeyPointScore, people_without
from perception.scene import KeyPoint
from perception.training.augmentation import PASTED, View, paste, random_view
from perception.training.config import DataConfig, TrainingConfig
from perception.training.tasks import make_task
from perception.training.tasks.key_points import heat_loss, heat_maps

SIM = "sim+key_points:?frames=1&size=320x192&scene=town&weather=clear&time=day&seed=5"
HEAD, LEFT_HAND, RIGHT_HAND = (KEY_POINTS.index(name) for name in ("head", "left_hand", "right_hand"))


def table(*rows: list[float]) -> npt.NDArray[np.float32]:
    return np.array(rows, np.float32)


def test_figures_of_two_people() -> None:
    """One 50 px tall, whose points must be within 10 px, one 20 px tall: within 4 px."""
    instances = np.zeros((100, 100), np.uint16)
    instances[10:60, 20:30], instances[30:50, 70:75] = 9001, 9002
    instances[80:85, 80:82] = 9003  # too small to have key points
    truth = table([HEAD, 25, 12, 50], [HEAD, 72, 32, 20], [LEFT_HAND, 28, 35, 50])
    found = [
        KeyPoint("head", 25, 21.9, 0.9),  # right, by 9.9 px
        KeyPoint("head", 25, 12, 0.5),  # the same head once more: wrong
        KeyPoint("head", 72, 36.5, 0.8),  # off by 4.5 px: wrong
        KeyPoint("right_hand", 28, 35, 0.9),  # of another kind: wrong
        KeyPoint("head", 81, 81, 0.9),  # on the one too small: neither
    ]
    score = KeyPointScore()
    score.add(truth, found, instances)
    assert score.figures() == {
        "head": {"PCK@0.2": 1 / 2, "precision": 1 / 3, "true points": 2.0},
        "left_hand": {"PCK@0.2": 0.0, "precision": 0.0, "true points": 1.0},
        "all": {"PCK@0.2": 1 / 3, "precision": 1 / 4, "true points": 3.0},
    }
    assert KeyPointScore().figures() == {}


def test_people_without_key_points() -> None:
    instances = np.zeros((6, 8), np.int32)
    instances[0:3, 0:2], instances[2:5, 4], instances[5, :] = 9001, PASTED + 9002, 8001
    points = table([HEAD, 1, 2, 20])
    people = instances % PASTED // 1000 == 9
    without = people_without(points, instances, people)
    np.testing.assert_array_equal(without, instances == PASTED + 9002)
    # The same point, in cells of four pixels: x 5 is cell 1.
    assert people_without(table([HEAD, 5, 1, 20]), instances, people, 4).sum() == 3
    assert people_without(np.zeros((0, 4), np.float32), instances, people).sum() == 9


def test_heat_is_decoded_to_where_it_came_from() -> None:
    """Targets and decoding agree on where the middle of a cell is."""
    points = table([HEAD, 20.3, 41.6, 40], [HEAD, 70, 10, 40], [RIGHT_HAND, 33.3, 22.2, 40])
    heat = heat_maps(points, 16, 24)
    assert heat.shape == (len(KEY_POINTS), 16, 24)
    found = find_key_points(heat, KEY_POINTS, 64, 96)
    assert sorted((KEY_POINTS.index(p.name), p.x, p.y) for p in found) == [
        pytest.approx(tuple(point[:3]), abs=0.05) for point in points.tolist()
    ]


def test_the_loss_is_least_where_answer_and_heat_are_one() -> None:
    heat = torch.from_numpy(heat_maps(table([HEAD, 20, 20, 40]), 12, 12))[None]
    known = torch.ones(1, 1, 12, 12)
    right = torch.logit(heat.clamp(1e-6, 1 - 1e-6))
    stacks = torch.stack([right, right + 1, right - 1, torch.zeros_like(right)])
    sums = heat_loss(stacks, heat, known).sum((1, 2, 3, 4)).tolist()
    assert sums[0] < 1e-6
    assert min(sums[1:]) > 0.1
    assert heat_loss(stacks, heat, torch.zeros_like(known)).sum() == 0


@pytest.mark.parametrize("seed", range(6))
def test_a_view_moves_key_points_with_the_image(seed: int) -> None:
    """A left hand, bright in the image, is bright where the view says a hand is: right, where mirrored."""
    image, ones = np.zeros((64, 96, 3), np.uint8), np.ones((64, 96), np.uint32)
    image[28:33, 48:53] = 255
    points = table([LEFT_HAND, 50, 30, 40], [HEAD, 200, 30, 40])  # and one outside
    view = random_view(
        Sample("s", image, ones, ones.astype(np.uint16), key_points=points),
        np.random.default_rng(seed),
        crop=(64, 96),
        scale=(0.9, 1.1),
        pixels=64 * 96,
    )
    assert view.key_points is not None
    assert len(view.key_points) == 1
    kind, x, y, tall = view.key_points[0].tolist()
    assert kind in {LEFT_HAND, RIGHT_HAND}
    rows, columns = np.nonzero(view.image[..., 0] > 127)
    assert (columns.mean(), rows.mean()) == pytest.approx((x, y), abs=0.6)
    assert tall == pytest.approx(40 * 1.0, rel=0.25)


def test_mirroring_swaps_the_hands() -> None:
    ones = np.ones((64, 96), np.uint32)
    shade = np.broadcast_to(np.arange(96, dtype=np.uint8)[None, :, None], (64, 96, 3)).copy()
    sample = Sample("s", shade, ones, ones.astype(np.uint16), key_points=table([LEFT_HAND, 50, 30, 40]))
    kinds = set()
    for seed in range(8):
        rng = np.random.default_rng(seed)
        view = random_view(sample, rng, crop=(64, 96), scale=(1, 1), pixels=64 * 96)
        assert view.key_points is not None
        mirrored = int(view.image[32, 30, 0]) > int(view.image[32, 60, 0])
        assert view.key_points[0, 0] == (RIGHT_HAND if mirrored else LEFT_HAND)
        kinds.add(mirrored)
    assert kinds == {True, False}


def test_who_is_pasted_brings_key_points_and_depth_and_hides_others() -> None:
    image, target = np.zeros((8, 8, 3), np.uint8), np.ones((4, 4), np.int32)
    left, right = np.zeros((2, 4, 4), np.int32)
    left[:, :2], right[:, 2:] = 9001, 9001

    def view(instances: np.ndarray, metres: float) -> View:
        points = table([HEAD, 1, 1, 20], [HEAD, 6, 1, 20])
        depth = np.full((8, 8), metres, np.float32)
        return View(image, target, instances, depth=depth, key_points=points)

    here, there = view(left, 30.0), view(right, 10.0)
    there = View(**{**vars(there), "key_points": table([LEFT_HAND, 6, 3, 20], [HEAD, 1, 3, 20])})
    pasted = next(
        result
        for seed in range(50)
        if (result := paste(here, there, np.random.default_rng(seed))).instances.max() > PASTED
    )
    assert pasted.key_points is not None
    assert pasted.depth is not None
    np.testing.assert_array_equal(pasted.key_points, table([HEAD, 1, 1, 20], [LEFT_HAND, 6, 3, 20]))
    assert (pasted.depth[:, :4] == 30).all()
    assert (pasted.depth[:, 4:] == 10).all()


def config() -> TrainingConfig:
    return TrainingConfig(network="hourglass", width=0.125, train=(DataConfig(source=SIM),))


@pytest.fixture(scope="module")
def sample() -> Sample:
    return open_dataset(SIM)[0]


def test_the_loss_falls(sample: Sample) -> None:
    torch.manual_seed(0)
    task = make_task(config())
    assert sample.key_points is not None
    assert len(sample.key_points) > 5
    view = random_view(
        sample, np.random.default_rng(0), crop=(96, 160), scale=(1, 1), pixels=192 * 320, stride=task.stride
    )
    batch = {name: t[None] for name, t in task.encode(view, np.random.default_rng(0)).items()}
    assert batch["heat"].shape == (1, len(KEY_POINTS), 24, 40)
    optimiser = torch.optim.AdamW(task.network.parameters(), 5e-4)
    values = []
    for _ in range(10):
        loss = task.measure(["heat_maps"], batch["image"].float(), batch, None)["heat_maps"]
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        values.append(loss.item())
    assert values[-1] < 0.8 * values[0]


def test_frames_without_key_points_are_refused(sample: Sample) -> None:
    sample = replace(sample, key_points=None)
    view = random_view(sample, np.random.default_rng(0), crop=(32, 32), scale=(1, 1), pixels=6144, stride=4)
    with pytest.raises(DataError, match=r"no key points.*sim\+key_points"):
        make_task(config()).encode(view, np.random.default_rng(0))
