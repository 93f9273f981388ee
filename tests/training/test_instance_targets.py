"""Targets of the instance heads, checked by decoding them, and their losses against hand-computed cases."""

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch

from perception.classes import DRIVE
from perception.decode.centres import group_by_centres
from perception.training.augmentation import PASTED, View, paste
from perception.training.losses.instances import border_loss, centre_loss, instance_targets, offset_loss

VEHICLE, PEDESTRIAN, TWO_WHEELER = DRIVE.thing_ids
ROAD = 1 << DRIVE.id("road")


def view(instances: npt.NDArray[np.int32], background: int = ROAD) -> View:
    """Labels that follow from the instances; their pixels are half as many a side as the image's."""
    class_of = instances % PASTED // 1000
    target = np.where(instances > 0, 1 << class_of, background).astype(np.int32)
    image = np.zeros((2 * instances.shape[0], 2 * instances.shape[1], 3), np.uint8)
    return View(image, target, instances)


def two_cars() -> npt.NDArray[np.int32]:
    instances = np.zeros((48, 64), np.int32)
    instances[20:40, 8:32] = 1000 * VEHICLE + 1
    instances[20:40, 32:56] = 1000 * VEHICLE + 2
    return instances


def test_targets_decode_to_the_instances_they_came_from() -> None:
    instances = two_cars()
    instances[30:44, 28:36] = 1000 * PEDESTRIAN + 7
    targets = instance_targets(view(instances))
    labels = (instances // 1000).astype(np.uint8).repeat(2, 0).repeat(2, 1)
    groups = group_by_centres(labels, targets.centres, targets.offsets, targets.borders, DRIVE, 2)
    pairs = {
        *zip(
            groups.numbers.ravel().tolist(), instances.repeat(2, 0).repeat(2, 1).ravel().tolist(), strict=True
        )
    }
    assert len(pairs) == 4
    assert sorted(groups.class_ids) == [VEHICLE, VEHICLE, PEDESTRIAN]


def test_offsets_point_at_the_centre_of_mass() -> None:
    targets = instance_targets(view(two_cars()))
    # Cell (24, 12) of 2 px: middle x 25, y 49; the left car's centre is x (8 + 32) / 2 · 2 = 40, y 60.
    assert targets.offsets[:, 24, 12].tolist() == [15, 11]
    size = 2 * math.sqrt(20 * 24)
    assert targets.offset_weight[0, 24, 12] == pytest.approx(1 / size)
    assert targets.offset_weight[0, 0, 0] == 0


def test_borders_need_no_background() -> None:
    """In a jam a view may show nothing else than two vehicles."""
    instances = np.full((12, 20), 1000 * VEHICLE + 1, np.int32)
    instances[:, 10:] = 1000 * VEHICLE + 2
    targets = instance_targets(view(instances))
    assert targets.borders[0].sum(0).tolist() == [0] * 9 + [12, 12] + [0] * 9


def test_nothing_is_asked_where_the_labels_do_not_say() -> None:
    instances = two_cars()
    sample = view(instances)
    sample.target[:, 32:] = 1 << VEHICLE  # a crowd that nobody told apart
    sample.instances[:, 32:] = 0
    targets = instance_targets(sample)
    vehicle, pedestrian = targets.centre_mask[0], targets.centre_mask[1]
    assert vehicle[:, :32].all()
    assert not vehicle[:, 32:].any()
    assert pedestrian.all()
    assert not targets.border_mask[0, 24, 31:].any()
    assert targets.border_mask[0, 24, :31].all()


def test_borders_lie_inside_of_instances_beside_anything_else() -> None:
    targets = instance_targets(view(two_cars()))
    assert targets.borders[0, 30].tolist() == [0] * 8 + [1] + [0] * 22 + [1, 1] + [0] * 22 + [1] + [0] * 8


def test_pasted_instances_stand_before_the_view() -> None:
    base, other = view(two_cars()), view(np.roll(two_cars(), -16, 0))
    other.image[:] = 200
    pasted = paste(base, other, np.random.default_rng(3))
    ids = set(np.unique(pasted.instances))
    new = {one for one in ids if one > PASTED}
    assert new
    assert new < {one + PASTED for one in np.unique(other.instances)}
    inside = np.isin(pasted.instances, list(new))
    assert (pasted.target[inside] == 1 << VEHICLE).all()
    assert np.array_equal(pasted.instances[~inside], base.instances[~inside])
    grey = pasted.image[::2, ::2, 0]
    assert np.median(grey[inside]) == 200
    assert np.median(grey[~inside]) == 0


def test_centre_loss_by_hand() -> None:
    logits = torch.zeros(1, 1, 1, 3)
    target = torch.tensor([[[[1.0, 0.5, 0.3]]]])
    mask = torch.tensor([[[[1.0, 1.0, 0.0]]]])
    # p = 0.5: a hit costs 0.25·ln 2, a miss 0.25·(1 − 0.5)⁴·ln 2, what is masked nothing.
    assert centre_loss(logits, target, mask).item() == pytest.approx(0.25 * math.log(2) * (1 + 0.5**4))


def test_offset_loss_by_hand() -> None:
    offsets = torch.zeros(1, 2, 1, 2)
    target = torch.tensor([[[[3.0, 8.0]], [[1.0, 0.0]]]])
    weight = torch.tensor([[[[0.5, 0.25]]]])
    # (4·0.5·0.5 + 8·0.25·0.25) / (0.5 + 0.25)
    assert offset_loss(offsets, target, weight).item() == pytest.approx(2.0)
    assert offset_loss(offsets, target, torch.zeros_like(weight)).item() == 0


def test_border_loss_by_hand() -> None:
    logits = torch.tensor([[[[2.0, -1.0, -1.0, 9.0]]]])
    target = torch.tensor([[[[1.0, 0.0, 0.0, 0.0]]]])
    mask = torch.tensor([[[[1.0, 1.0, 1.0, 0.0]]]])
    expected = (math.log1p(math.exp(-2)) + 3 * math.log1p(math.exp(-1))) / 4
    assert border_loss(logits, target, mask).item() == pytest.approx(expected, rel=1e-5)
