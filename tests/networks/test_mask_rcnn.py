"""The two-stage network: its parts by their definitions, and what the whole promises of its output."""

import copy

import pytest
import torch

from perception.networks import boxes as box
from perception.networks.zoo.feature_pyramid import FeaturePyramid
from perception.networks.zoo.mask_rcnn import LEAST_SCORE, MaskRCNN
from perception.networks.zoo.proposals import Anchors, RegionProposals, level_anchors


@pytest.fixture(scope="module")
def network() -> MaskRCNN:
    """Untrained, but with biases and weights that make it find much."""
    torch.manual_seed(0)
    network = MaskRCNN()
    torch.nn.init.normal_(network.box_head.classify.weight, std=0.5)
    return network.eval()


@pytest.mark.parametrize("size", [(32, 32), (64, 160), (224, 96)])
def test_detections_are_sorted_distinct_and_within_the_image(
    network: MaskRCNN, size: tuple[int, int]
) -> None:
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)) * 255
    with torch.inference_mode():
        found = network(image)
    assert found.boxes.shape == (2, 64, 4)
    assert found.masks.shape == (2, 64, 28, 28)
    assert (found.scores.diff() <= 0).all()
    real = found.scores > 0
    assert real.any()
    assert (found.scores[real] > LEAST_SCORE).all()
    assert set(found.classes[real].unique().tolist()) <= {0, 1, 2}
    for other in (found.boxes, found.classes, found.masks):
        assert (other[~real] == 0).all()
    assert (found.boxes >= 0).all()
    assert (found.boxes <= torch.tensor([size[1], size[0]] * 2)).all()
    assert ((found.masks >= 0) & (found.masks <= 1)).all()


def test_batch_answers_as_its_images_one_by_one(network: MaskRCNN) -> None:
    image = torch.rand(2, 3, 96, 64, generator=torch.Generator().manual_seed(2)).double() * 255
    network = copy.deepcopy(network).double()  # in float32, close scores change their order
    with torch.inference_mode():
        together, alone = network(image), [network(one[None]) for one in image]
    for i, one in enumerate(alone):
        assert torch.allclose(together.scores[i], one.scores[0], atol=1e-4)
        assert torch.allclose(together.boxes[i], one.boxes[0], atol=1e-2)


def test_selection_prefers_the_best_and_keeps_classes_apart() -> None:
    network = MaskRCNN(classes=2, most=3)
    regions = torch.tensor([[[0.0, 0, 10, 10], [0, 0, 10, 10], [50, 50, 60, 70]]])
    probability = torch.tensor([[[0.8, 0.15], [0.7, 0.1], [0.04, 0.5]]])
    boxes, scores, classes = network.select(regions, probability)
    assert scores[0].tolist() == pytest.approx([0.8, 0.5, 0.15])
    assert classes[0].tolist() == [0, 1, 1]
    assert boxes[0].tolist() == [[0, 0, 10, 10], [50, 50, 60, 70], [0, 0, 10, 10]]


def test_encoder_keeps_its_statistics_in_training() -> None:
    network = MaskRCNN().train()
    before = network.encoder.stem.get_buffer("1.running_mean").clone()
    network.look(torch.rand(2, 3, 64, 64) * 255)
    assert torch.equal(network.encoder.stem.get_buffer("1.running_mean"), before)
    assert network.pyramid.training


def test_pyramid_levels_keep_the_sizes_and_add_one() -> None:
    features = [torch.zeros(1, c, 24 >> i, 40 >> i) for i, c in enumerate((3, 5, 7))]
    levels = FeaturePyramid((3, 5, 7), 8).eval()(features)
    assert [tuple(level.shape[1:]) for level in levels] == [(8, 24, 40), (8, 12, 20), (8, 6, 10), (8, 3, 5)]


def test_fine_levels_see_what_coarse_ones_see() -> None:
    pyramid = FeaturePyramid((2, 2), 4).eval()
    fine, coarse = torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 4, 4)
    far = coarse.clone()
    far[..., 3, 3] = 50
    seen, unseen = pyramid([fine, far])[0], pyramid([fine, coarse])[0]
    assert not torch.equal(seen[..., 6:, 6:], unseen[..., 6:, 6:])


def test_anchors_stand_on_pixel_centres_with_one_area() -> None:
    anchors = level_anchors(torch.zeros(1, 1, 2, 3), stride=8).view(2, 3, 3, 4)
    centre = (anchors[..., :2] + anchors[..., 2:]) / 2
    assert centre[1, 2, 0].tolist() == [20.0, 12.0]
    assert torch.allclose(centre, centre[:, :, :1])
    sides = anchors[0, 0, :, 2:] - anchors[0, 0, :, :2]
    assert sides.prod(-1).tolist() == pytest.approx([32.0**2] * 3)
    assert (sides[:, 1] / sides[:, 0]).tolist() == pytest.approx([0.5, 1.0, 2.0])


def test_proposals_are_the_best_anchors_moved_by_their_steps() -> None:
    proposals = RegionProposals(4, stride=4, before=6, after=2)
    boxes = torch.tensor([[0.0, 0, 20, 20], [40, 40, 60, 60], [41, 40, 61, 60], [70, 70, 90, 90]])
    steps = torch.zeros(1, 4, 4)
    steps[0, 3, 0] = 0.5  # half its width to the right, out of the image
    found = proposals.propose(Anchors(boxes, torch.tensor([[-2.0, 3.0, 2.0, 1.0]]), steps), 100, 95)
    assert found.tolist() == [[[40, 40, 60, 60], [80, 70, 95, 90]]]


def test_anchors_and_maps_are_in_one_order() -> None:
    """An output of the head at one pixel and shape moves the anchor of that pixel and shape."""
    proposals = RegionProposals(1, stride=4, before=1, after=1)
    with torch.no_grad():
        for layer in proposals.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.get_parameter("weight").zero_()
                layer.get_parameter("bias").zero_()
        proposals.shared[0].get_parameter("weight")[0, 0, 1, 1] = 1
        proposals.shared[1].get_parameter("weight").fill_(1)
        proposals.objectness.get_parameter("weight")[2] = 1  # tall boxes
        proposals.steps.get_parameter("bias")[4 * 2 + 3] = 1  # their height grows e times
    level = torch.zeros(1, 1, 3, 5)
    level[0, 0, 1, 3] = 1
    (found,) = proposals.propose(proposals([level]), 1000, 1000)[0]
    width = 16 / 2**0.5
    tall = torch.tensor([14 - width / 2, 6 - width * torch.e, 14 + width / 2, 6 + width * torch.e])
    assert torch.allclose(found, box.clip(tall, 1000, 1000), atol=1e-3)
