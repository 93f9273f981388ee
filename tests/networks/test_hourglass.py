"""Stacked hourglasses."""

import pytest
import torch

from perception.classes import KEY_POINTS
from perception.networks.zoo.hourglass import DeployedKeyPoints, Hourglass, HourglassNet


@pytest.mark.parametrize("size", [(32, 64), (96, 32)])
@pytest.mark.parametrize("stacks", [1, 3])
def test_heat_maps_of_every_stack_at_a_quarter_of_the_input(size: tuple[int, int], stacks: int) -> None:
    torch.manual_seed(0)
    network = HourglassNet(5, 0.125, stacks).eval()
    with torch.inference_mode():
        maps = network(torch.rand(2, 3, *size) * 255)
    assert maps.shape == (stacks, 2, 5, size[0] // 4, size[1] // 4)
    assert maps.sigmoid().mean() < 0.03  # joints are rare


def test_an_hourglass_sees_far_and_keeps_what_is_near() -> None:
    torch.manual_seed(0)
    hourglass = Hourglass(8, 3).eval()
    x = torch.randn(1, 8, 32, 32, requires_grad=True)
    hourglass(x)[0, :, 2, 2].sum().backward()
    assert x.grad is not None
    reached = x.grad[0].abs().sum(0) > 0
    assert reached[2, 2]
    assert reached[31].any()  # a path of plain 3×3 convolutions as long would reach 14 cells
    assert hourglass(x).shape == x.shape


def test_every_stack_learns_from_the_last() -> None:
    network = HourglassNet(3, 0.125, 2)
    network(torch.rand(2, 3, 64, 64) * 255)[-1].sum().backward()
    idle = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert idle == []


def test_deployed_gives_the_last_stacks_probabilities() -> None:
    network = HourglassNet(len(KEY_POINTS), 0.125).eval()
    deployed = DeployedKeyPoints(network)
    image = torch.randint(0, 256, (1, 32, 64, 3), dtype=torch.uint8)
    with torch.inference_mode():
        (maps,) = deployed(image)
        expected = network(image.permute(0, 3, 1, 2).float())[-1].sigmoid()
    assert torch.equal(maps, expected)
    assert deployed.outputs["key_points"].fits(maps.shape, 32, 64)
    assert len(deployed.key_points) == maps.shape[1]
