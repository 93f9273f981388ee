"""A tiny network, trained for a moment and exported once, for all tests that need an export."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from calibration.ranges import Method
from export.exporter import Calibration, export_bundle
from export.precision_report import Measurements
from perception.bundle.bundle import Bundle
from perception.networks.blocks import ConvNormAct, SeparableConv
from perception.networks.export_wrapper import Deployed, DeployedSemantic
from perception.training.augmentation import View
from perception.training.config import DataConfig, TrainingConfig
from perception.training.losses.labels import LOSSES
from perception.training.tasks import TASKS, Batch, make_task
from perception.training.tasks.task import as_tensor

DRIVE = "sim:?frames=8&size=192x128"
VALIDATION = "sim:?frames=2&size=192x128&seed=9"
PIXELS = 192 * 128


class TinyNet(nn.Module):
    """Logits (n, classes, h, w) of images (n, 3, h, w), by four layers."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.stem = ConvNormAct(3, 16, 3, stride=2)
        self.body = SeparableConv(16, 24)
        self.head = nn.Conv2d(24, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        x: Tensor = self.head(self.body(self.stem(image / 255 - 0.5)))
        return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


class TinyTask:
    losses: Mapping[str, float] = {"cross_entropy": 1.0}
    stride = 2

    def __init__(self, config: TrainingConfig) -> None:
        self.network: nn.Module = TinyNet(len(config.class_set()))
        self.deployed: Deployed = DeployedSemantic(self.network)

    def encode(self, view: View, rng: np.random.Generator) -> Batch:
        return {"image": as_tensor(view.image), "bits": torch.from_numpy(view.target)}

    def measure(
        self, names: Iterable[str], image: Tensor, batch: Batch, class_weights: Tensor | None
    ) -> dict[str, Tensor]:
        logits = self.network(image)
        return {name: LOSSES[name](logits, batch["bits"], class_weights) for name in names}


TASKS["tiny"] = TinyTask

CONFIG = TrainingConfig(
    name="tiny",
    network="tiny",
    pixels=PIXELS,
    train=(DataConfig(source="camvid:somewhere/secret/camvid/train"),),
)


def save(network: nn.Module, path: Path, config: TrainingConfig = CONFIG) -> Path:
    """A checkpoint as `perception train` leaves it."""
    state = {"config": config.model_dump_json(), "network": network.state_dict(), "step": 1}
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def tiny() -> Deployed:
    """With statistics and weights that make every layer matter."""
    torch.manual_seed(0)
    deployed = make_task(CONFIG).deployed
    deployed.network.train()
    with torch.no_grad():
        for _ in range(20):
            deployed.network(torch.rand(4, 3, 32, 32) * 255)
    return deployed.eval()


@pytest.fixture(scope="session")
def tiny_checkpoint(tiny: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tiny.network, tmp_path_factory.mktemp("run") / "checkpoint.pt")


@dataclass(frozen=True)
class Exported:
    bundle: Bundle
    measured: Measurements
    report: Path


@pytest.fixture(scope="session")
def exported(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """In every precision, with one layer of the quantised ones in float32, and the report of it."""
    folder = tmp_path_factory.mktemp("export")
    bundle, measured = export_bundle(
        tiny_checkpoint,
        folder / "bundle",
        name="tiny",
        version="1",
        calibration=Calibration([DRIVE], tuple(Method), keep_float=1),
        validate=[VALIDATION],
        report=folder / "report",
    )
    return Exported(bundle, measured, folder / "report")
