"""Training with the rounding of INT8 in it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from calibration.ranges import Method, measure_ranges
from export.graph import to_onnx
from export.quantise import fold_normalisation, quantise
from export.validation import run_onnx
from perception.bundle.manifest import Precision
from perception.errors import ConfigError
from perception.networks.blocks import ConvNormAct
from perception.networks.export_wrapper import Deployed, DeployedSemantic
from perception.training.config import DataConfig, TrainingConfig
from perception.training.loop import Trainer
from perception.training.quantisation import ranges, round_in_training


def test_a_rounded_convolution_is_that_of_whole_steps() -> None:
    conv = nn.Conv2d(1, 2, 1, bias=False)
    with torch.no_grad():
        conv.weight.copy_(torch.tensor([1.27, -0.5]).reshape(2, 1, 1, 1))
    round_in_training(conv)
    x = torch.tensor([0.0, 0.1004, 2.55]).reshape(1, 1, 1, 3)
    conv.train()
    out = conv(x)
    # 2.55 in 255 steps of 0.01; each channel's largest weight is 127 of its own steps.
    expected = torch.tensor([[0.0, 0.10, 2.55]]) * torch.tensor([[1.27], [-0.5]])
    assert torch.allclose(out.reshape(2, 3), expected, atol=1e-6)
    out.sum().backward()
    assert conv.weight.grad is not None
    assert torch.allclose(conv.weight.grad.flatten(), torch.tensor([2.65, 2.65]), atol=1e-5)


def test_the_network_keeps_its_names_and_its_statistics() -> None:
    network = nn.Sequential(ConvNormAct(3, 4, 3), nn.Conv2d(4, 2, 1))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    round_in_training(network)
    network.train()
    network(torch.rand(2, 3, 8, 8))
    assert {n: t.tolist() for n, t in network.state_dict().items()} == {
        n: t.tolist() for n, t in before.items()
    }


class _Uneven(nn.Module):
    """One channel is large and of no use, the others are small and tell the classes apart."""

    def __init__(self) -> None:
        super().__init__()
        self.body = ConvNormAct(3, 16, 3)
        self.head = nn.Conv2d(16, 4, 1)
        norm = self.body[1]
        assert isinstance(norm, nn.BatchNorm2d)
        with torch.no_grad():
            norm.weight[1:] = 0.01
            norm.weight[0] = 4.0
            self.head.weight[:, 0] = 0.0
            self.head.weight[:, 1:] *= 100

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x: torch.Tensor = self.head(self.body(image / 128 - 1))
        return x


def _agreement(network: nn.Module, image: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
    """The share of pixels whose class the network's INT8 graph gives as torch does."""
    deployed = DeployedSemantic(network)
    with torch.inference_mode():
        (expected,) = deployed(torch.from_numpy(image))
    model = to_onnx(fold_normalisation(deployed))
    graph = quantise(model, measure_ranges(model, [image], Method.MINMAX), Precision.INT8)
    return float(np.mean(run_onnx(graph, image)["labels"] == expected.numpy()))


def test_the_loss_falls_and_the_quantised_graph_agrees_better_afterwards() -> None:
    torch.manual_seed(0)
    network = _Uneven().train()
    pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    x = Deployed.pixels(torch.from_numpy(pixels))
    with torch.no_grad():
        for _ in range(30):
            network(x)
        truth = network.eval()(x).argmax(1)
    before = _agreement(network, pixels)
    rounded = _Uneven()
    rounded.load_state_dict(network.state_dict())
    round_in_training(rounded)
    optimiser = torch.optim.Adam(rounded.parameters(), 3e-3)
    losses = []
    for _ in range(150):
        rounded.train()
        loss = nn.functional.cross_entropy(rounded(x), truth)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    after = _Uneven()
    after.load_state_dict(rounded.state_dict())
    assert _agreement(after, pixels) > before + 0.1


def test_a_run_that_quantises_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    """With the ranges of its activations, which are in no state of a network."""
    data = (DataConfig(source="sim:?frames=2&size=128x96"),)
    config = TrainingConfig(
        network="u-net",
        width=0.125,
        quantised=True,
        train=data,
        crop=(64, 64),
        pixels=12288,
        batch=2,
        steps=4,
        checkpoint_every=2,
        workers=0,
    )
    plain = Trainer(config.model_copy(update={"quantised": False}), tmp_path / "plain")
    plain.folder.mkdir()
    plain._save()
    whole = Trainer(config, tmp_path / "run", initial=plain.checkpoint)
    saved = dict[str, bytes]()

    def keep() -> None:
        Trainer._save(whole)
        saved.setdefault("first", whole.checkpoint.read_bytes())

    whole._save = keep  # type: ignore[method-assign]
    whole.train()
    again = Trainer(config, tmp_path / "run")
    whole.checkpoint.write_bytes(saved["first"])
    again.resume()
    assert again.step == 2 and not any(value.isnan() for value in ranges(again.network).values())
    again.train()
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name


def test_a_run_that_quantises_begins_with_a_trained_network(tmp_path: Path) -> None:
    config = TrainingConfig(network="denoise", quantised=True, train=(DataConfig(source="noisy:sim:"),))
    with pytest.raises(ConfigError, match=r"quantised: .*--initial"):
        Trainer(config, tmp_path / "run").train()
