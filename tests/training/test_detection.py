"""Detection targets and losses on views made by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from perception.classes import DRIVE
from perception.networks import boxes as box
from perception.networks.zoo.mask_rcnn import MaskRCNN
from perception.networks.zoo.proposals import Anchors
from perception.training.augmentation import PASTED
from perception.training.losses.detection import (
    LOSS_NAMES,
    box_loss,
    class_loss,
    detection_losses,
    mask_targets,
    proposal_losses,
)
from perception.training.losses.detection_targets import (
    LEAST_PIXELS,
    RegionTargets,
    Truth,
    anchor_targets,
    may_hold,
    read_truth,
    region_targets,
)

ROAD = DRIVE.bits("road")
VEHICLE, PEDESTRIAN = DRIVE.id("vehicle"), DRIVE.id("pedestrian")


def blank(height: int = 32, width: int = 48) -> tuple[Tensor, Tensor]:
    """Maps at half size: all road, nobody there."""
    return torch.full((height, width), ROAD, dtype=torch.int32), torch.zeros(height, width, dtype=torch.int32)


def place(maps: tuple[Tensor, Tensor], class_id: int, k: int, where: tuple[slice, slice]) -> None:
    maps[0][where] = 1 << class_id
    maps[1][where] = class_id * 1000 + k


@pytest.fixture
def truth() -> Truth:
    """A vehicle at x 8..40, y 8..24, a pedestrian at x 60..68, y 10..34, and two-wheelers nobody marked."""
    maps = blank()
    place(maps, VEHICLE, 7, (slice(4, 12), slice(4, 20)))
    place(maps, PEDESTRIAN, PASTED + 3, (slice(5, 17), slice(30, 34)))
    maps[0][20:30, 20:30] = DRIVE.bits("two_wheeler", "road")
    return read_truth(*maps)


def test_truth_is_boxes_and_classes(truth: Truth) -> None:
    assert truth.boxes.tolist() == [[8, 8, 40, 24], [60, 10, 68, 34]]
    assert truth.classes.tolist() == [0, 1]
    assert truth.ids.tolist() == [VEHICLE * 1000 + 7, PEDESTRIAN * 1000 + 3 + PASTED]


def test_what_hardly_shows_is_nobody_but_may_be_one() -> None:
    maps = blank()
    place(maps, VEHICLE, 1, (slice(0, 1), slice(0, LEAST_PIXELS - 1)))
    truth = read_truth(*maps)
    assert truth.boxes.shape == (0, 4)
    assert not truth.instances.any()
    assert may_hold(truth, torch.tensor([[0.0, 0, 14, 2]])).tolist() == [[True, False, False]]


def test_boxes_may_hold_only_what_labels_leave_open(truth: Truth) -> None:
    boxes = torch.tensor([[40.0, 40, 60, 60], [8, 8, 40, 24], [0, 0, 6, 6], [30, 30, 60, 60]])
    # A tenth of the last one is open at first, then a third.
    assert may_hold(truth, boxes).tolist() == [
        [False, False, True],
        [False] * 3,
        [False] * 3,
        [False, False, True],
    ]
    assert not may_hold(truth, torch.tensor([[0.0, 0.0, 90.0, 60.0]])).any()


def test_unlabelled_pixels_may_be_anyone() -> None:
    target, instances = blank()
    target[:, 24:] = 0
    unsure = may_hold(read_truth(target, instances), torch.tensor([[60.0, 10, 80, 30], [0, 0, 20, 20]]))
    assert unsure.tolist() == [[True] * 3, [False] * 3]


def test_anchors_are_objects_background_or_neither(truth: Truth) -> None:
    anchors = torch.tensor(
        [
            [8.0, 8, 40, 24],  # the vehicle
            [12, 8, 44, 24],  # IoU 0.78 with it
            [20, 8, 52, 24],  # 0.45: neither
            [0, 40, 16, 56],  # road
            [44, 44, 60, 60],  # where two-wheelers may be
            [56, 10, 76, 34],  # 0.4 with the pedestrian, but no other is nearer
        ]
    )
    found = anchor_targets(truth, anchors)
    assert found.positive.tolist() == [True, True, False, False, False, True]
    assert found.negative.tolist() == [False, False, False, True, False, False]
    assert found.matched[[0, 1, 5]].tolist() == [0, 0, 1]


def test_anchors_without_anybody() -> None:
    found = anchor_targets(read_truth(*blank()), torch.tensor([[0.0, 0, 16, 16]]))
    assert not found.positive.any()
    assert found.negative.all()


def test_regions_are_sampled_positives_first(truth: Truth) -> None:
    torch.manual_seed(0)
    proposals = torch.cat(
        [torch.tensor([[42.0, 42, 58, 58]]), torch.tensor([[0.0, 40, 16, 56]]).expand(40, 4)]
    )
    found = region_targets(truth, proposals, count=32)
    n = int(found.positive.sum())
    assert found.boxes.shape == (32, 4)
    assert 2 <= n <= 8
    assert found.positive[:n].all()
    overlap = box.iou(found.boxes, truth.boxes)
    for i in range(32):
        if found.positive[i]:
            own = int(found.matched[i])
            assert overlap[i, own] >= 0.5
            assert found.allowed[i].nonzero()[:, 0].tolist() == [1 + own]
        else:
            assert overlap[i].max() < 0.5
            assert found.allowed[i, 0]
            assert found.allowed[i, 1:].tolist() == may_hold(truth, found.boxes[i : i + 1])[0].tolist()


def test_a_view_of_nobody_gives_background_regions() -> None:
    found = region_targets(read_truth(*blank()), torch.rand(40, 4).cumsum(1), count=32)
    assert not found.positive.any()
    assert found.allowed.tolist() == [[True, False, False, False]] * 32


def test_class_loss_is_the_probability_of_the_allowed_set() -> None:
    logits = torch.randn(1, 4, 4, generator=torch.Generator().manual_seed(0))
    allowed = torch.tensor([[[0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 1, 1], [1, 1, 1, 1]]]).bool()
    p = logits.softmax(-1)[0]
    expected = -(p[0, 1].log() + p[1, 0].log() + (1 - p[2, 1]).log()) / 3
    assert torch.allclose(class_loss(logits, allowed), expected)
    assert class_loss(logits, torch.ones_like(allowed)) == 0


def test_box_loss_counts_positives_over_all_regions(truth: Truth) -> None:
    boxes = torch.tensor([[8.0, 8, 40, 24], [60, 10, 68, 34], [0, 40, 16, 56]])
    positive = torch.tensor([True, True, False])
    regions = RegionTargets(boxes, torch.ones(3, 4).bool(), positive, torch.tensor([0, 1, 0]))
    steps = torch.zeros(1, 3, 4)
    steps[0, 0, 0], steps[0, 2] = 2.0, 9.0  # smooth L1 of 2 is 1.5; the last one is nobody
    assert box_loss(steps, [regions], [truth], torch.ones(4)).item() == pytest.approx(1.5 / 3)


def test_proposal_losses_are_of_known_anchors_alone(truth: Truth) -> None:
    anchors = torch.cat([truth.boxes, torch.tensor([[0.0, 40, 16, 56], [44, 44, 60, 60]])])
    logits = torch.tensor([[2.0, -1.0, 0.5, 99.0]], requires_grad=True)
    steps = torch.zeros(1, 4, 4)
    objectness, regression = proposal_losses(Anchors(anchors, logits, steps), [truth])
    expected = F.softplus(torch.tensor([-2.0, 1.0, 0.5])).mean()
    assert torch.allclose(objectness, expected)
    assert regression == 0
    (gradient,) = torch.autograd.grad(objectness, logits)
    assert gradient[0, 3] == 0


def test_mask_targets_are_the_instance_inside_the_box(truth: Truth) -> None:
    masks = mask_targets(truth, torch.tensor([[8.0, 8, 40, 24], [24, 8, 56, 24]]), torch.tensor([0, 0]))
    assert masks[0].all()
    assert masks[1, :, :14].all()
    assert not masks[1, :, 14:].any()


def test_nothing_known_is_nothing_learned() -> None:
    network = MaskRCNN().train()
    bits, instances = torch.zeros(2, 32, 32, dtype=torch.int32), torch.zeros(2, 32, 32, dtype=torch.int32)
    losses = detection_losses(network, torch.rand(2, 3, 64, 64) * 255, bits, instances)
    assert tuple(losses) == LOSS_NAMES
    assert all(loss == 0 for loss in losses.values())


def test_learns_a_view_by_heart() -> None:
    """Two bright vehicles and a dark pedestrian on grey: after training each is found, and nothing else."""
    torch.manual_seed(0)
    maps = blank(48, 64)
    place(maps, VEHICLE, 1, (slice(8, 24), slice(6, 30)))
    place(maps, VEHICLE, 2, (slice(30, 44), slice(4, 26)))
    place(maps, PEDESTRIAN, 1, (slice(10, 40), slice(46, 56)))
    truth = read_truth(*maps)
    picture = np.full((96, 128, 3), 128, np.uint8)
    for (x0, y0, x1, y1), colour in zip(truth.boxes.int().tolist(), (250, 250, 10), strict=True):
        picture[y0:y1, x0:x1] = colour
    image = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    network = MaskRCNN()
    network.encoder.load_imagenet()
    network.encoder.requires_grad_(False)
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], 2e-3)
    network.train()
    for _ in range(60):
        losses = detection_losses(network, image, maps[0][None], maps[1][None])
        optimiser.zero_grad()
        torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.inference_mode():
        found = network.eval()(image)
    sure = found.scores[0] > 0.5
    assert int(sure.sum()) == 3
    overlap = box.iou(found.boxes[0, sure], truth.boxes)
    assert (overlap.max(1).values > 0.7).all()
    assert sorted(overlap.argmax(1).tolist()) == [0, 1, 2]
    assert torch.equal(found.classes[0, sure], truth.classes[overlap.argmax(1)])
    assert (found.masks[0, sure].mean((1, 2)) > 0.7).all()
