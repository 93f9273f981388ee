"""The network of plain convolutions: its maps, its two branches, and the same answers outside of torch."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from export.quantise import ALWAYS_EXACT
from perception.networks.drive_net import DriveNet
from perception.networks.dual_resolution import DualResolutionNet, Encoder
from perception.networks.export_wrapper import DeployedDrive
from perception.training.config import DataConfig, TrainingConfig
from perception.training.tasks import make_task


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 160), (416, 736)])
def test_maps_are_those_of_the_flagship(height: int, width: int) -> None:
    network = DualResolutionNet(7, 2).eval()
    with torch.no_grad():
        maps = network(torch.zeros(2, 3, height, width))
    shapes = {name: tuple(value.shape) for name, value in maps._asdict().items()}
    assert shapes == {
        name: (2, channels, height // 2, width // 2)
        for name, channels in {"logits": 7, "centres": 2, "offsets": 2, "borders": 1}.items()
    }


@pytest.mark.parametrize(("width", "channels"), [(1.0, 24), (4 / 3, 32)])
def test_one_branch_stays_at_stride_8_and_none_is_depthwise(width: float, channels: int) -> None:
    network = DualResolutionNet(width=width).eval()
    seen: list[tuple[int, ...]] = []
    for stage in (*network.encoder.high, *network.encoder.low):
        stage.register_forward_hook(lambda _, __, out: seen.append(tuple(out.shape[1:])))
    with torch.no_grad():
        s2, s4, s8 = network.encoder(torch.zeros(1, 3, 128, 256))
    assert [tuple(x.shape[1:]) for x in (s2, s4, s8)] == [
        (channels, 64, 128),
        (channels, 32, 64),
        (2 * channels, 16, 32),
    ]
    high, low = (2 * channels, 16, 32), [(4, 8, 16), (8, 4, 8), (8, 2, 4)]
    assert seen.count(high) == 3
    assert [one for one in seen if one != high] == [(k * channels, h, w) for k, h, w in low]
    assert all(module.groups == 1 for module in network.modules() if isinstance(module, nn.Conv2d))


@pytest.mark.parametrize("network", [DualResolutionNet(), DriveNet(12, 3)])
def test_offsets_are_given_by_what_quantisation_leaves_exact(network: nn.Module) -> None:
    """In 256 steps, the median offset error of a trained network grows from 0.2 to 1 pixel."""
    (last,) = (f"network.{name}" for name, one in network.named_modules() if name == "instances.maps")
    assert last in ALWAYS_EXACT
    maps = network.get_submodule("instances.maps")
    with torch.no_grad():
        for parameter in maps.parameters():
            parameter.zero_()
        assert not network.eval()(torch.full((1, 3, 64, 96), 99.0)).offsets.any()


def test_a_centre_is_rare_before_training() -> None:
    network = DualResolutionNet().eval()
    bias = network.instances.state_dict()["maps.bias"][:12]
    assert bias.sigmoid().max().item() == pytest.approx(0.01, abs=1e-4)


def test_every_weight_learns() -> None:
    network = DualResolutionNet().train()
    maps = network(torch.rand(2, 3, 64, 96) * 255)
    torch.stack([value.float().square().mean() for value in maps]).sum().backward()  # type: ignore[no-untyped-call]
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_it_exports_with_free_sizes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = TrainingConfig(network="dual-resolution", train=(DataConfig(source="sim:"),))
    deployed = make_task(config).deployed
    assert isinstance(deployed, DeployedDrive)
    assert isinstance(deployed.network.encoder, Encoder)
    path = tmp_path / "model.onnx"
    sides = {1: torch.export.Dim("tall", min=1, max=64) * 32, 2: torch.export.Dim("wide", min=1, max=64) * 32}
    example = torch.zeros(1, 128, 192, 3, dtype=torch.uint8)
    torch.onnx.export(
        deployed,
        (example,),
        str(path),
        dynamo=True,
        dynamic_shapes=(sides,),
        external_data=False,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    image = torch.randint(0, 256, (1, 96, 160, 3), dtype=torch.uint8)
    found = session.run(None, {session.get_inputs()[0].name: image.numpy()})
    with torch.no_grad():
        expected = deployed(image)
    for one, other in zip(found[1:], expected[1:], strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=2e-3, rtol=1e-3)
