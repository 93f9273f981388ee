"""A network in torch as an engine: training validates it through the node's own decoding, people debug it."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from perception.bundle.bundle import Bundle
from perception.bundle.manifest import BundleInfo, InputInfo, Precision
from perception.classes import DRIVE
from perception.datasets.class_file import ClassFile
from perception.engines.base import EngineInfo, OnBuild, check_image
from perception.errors import ConfigError, DataError, EngineError
from perception.networks.export_wrapper import Deployed
from perception.training.checkpoint import load_weights
from perception.training.config import DataConfig, TrainingConfig
from perception.training.tasks import make_task


class TorchEngine:
    """See `perception.engines.Engine`."""

    name = "torch"
    info = EngineInfo(name, Precision.FLOAT32, "the network is still being trained")

    def __init__(self, deployed: Deployed, device: torch.device, info: InputInfo) -> None:
        self.deployed, self.device, self._info = deployed, device, info

    @torch.inference_mode()
    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        check_image(self.name, self._info, image)
        answer = self.deployed(torch.from_numpy(np.ascontiguousarray(image))[None].to(self.device))
        return {n: t[0].cpu().numpy() for n, t in zip(self.deployed.outputs, answer, strict=True)}


def open_torch(
    bundle: Bundle, threads: int, precision: Precision, on_build: OnBuild | None = None
) -> TorchEngine:
    """The network that the bundle was exported from, with the weights of its graph, on a GPU if there is one.

    Raises:
        EngineError: the bundle does not say which network it is, or its weights are of another one.
    """
    info = bundle.info
    if info.network is None:
        raise EngineError(
            f"torch cannot run: the bundle {info.name} does not name its network; export it again"
        )
    if threads:
        torch.set_num_threads(threads)
    try:
        deployed = make_task(_recipe(info, info.network.name)).deployed
        load_weights(deployed.network, bundle.folder)
    except (ConfigError, DataError) as error:
        raise EngineError(f"torch cannot run: {error}") from error
    if set(deployed.outputs) != set(info.outputs):
        raise EngineError(
            f"torch cannot run: the network {info.network.name} gives {', '.join(deployed.outputs)}, "
            f"the bundle {info.name} {', '.join(info.outputs)}; export it again"
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return TorchEngine(deployed.to(device), device, info.input)


def _recipe(info: BundleInfo, network: str) -> TrainingConfig:
    """As much of the network's recipe as a bundle holds; loading its weights shows whether that is enough."""
    classes = None
    if (info.classes.names, info.classes.things) != (DRIVE.names, DRIVE.things):
        one_by_one = enumerate(zip(info.classes.names, info.classes.colours, strict=True))
        classes = ClassFile.model_validate(
            {
                "name": info.classes.name,
                "classes": [
                    {"name": name, "colour": colour, "labels": [i], "thing": name in info.classes.things}
                    for i, (name, colour) in one_by_one
                ],
            }
        )
    return TrainingConfig(
        network=network,
        classes=classes,
        train=(DataConfig(source="none"),),
        crop=info.input.size or (256, 256),
        photometric=False,
    )
