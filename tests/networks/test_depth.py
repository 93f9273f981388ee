"""The depth network."""

import pytest
import torch

from perception.classes import FARTHEST
from perception.networks.zoo.depth import NEAREST, DeployedDepth, DepthNet


@pytest.mark.parametrize("size", [(64, 32), (32, 96)])
def test_one_logarithm_a_pixel(size: tuple[int, int]) -> None:
    network = DepthNet(0.25).eval()
    with torch.inference_mode():
        depth = network(torch.rand(2, 3, *size) * 255)
    assert depth.shape == (2, 1, *size)
    assert 1.0 < depth.mean() < 4.0  # e^1 to e^4 m: a network that knows nothing says somewhere on the road


def test_every_weight_learns() -> None:
    network = DepthNet(0.25)
    network(torch.rand(2, 3, 64, 64) * 255).square().sum().backward()
    assert [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(("log", "metres"), [(0.0, 1.0), (2.302585, 10.0), (-5.0, NEAREST), (9.0, FARTHEST)])
def test_deployed_gives_metres_within_its_range(log: float, metres: float) -> None:
    network = DepthNet(0.25)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.fill_(log)  # type: ignore[union-attr]
    deployed = DeployedDepth(network)
    (depth,) = deployed(torch.zeros((1, 32, 64, 3), dtype=torch.uint8))
    assert deployed.outputs["depth"].fits(depth.shape, 32, 64)
    assert torch.allclose(depth, torch.full((1, 32, 64), metres), rtol=1e-5)
