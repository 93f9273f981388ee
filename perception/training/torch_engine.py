"""A network in torch as an engine: training validates it through the node's own decoding."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from perception.bundle_info import Precision
from perception.networks.deployed import Deployed


class TorchEngine:
    """See `perception.engines.Engine`."""

    name = "torch"
    reason = "the network is still being trained"
    passed_over: tuple[str, ...] = ()
    precision = Precision.FLOAT32

    def __init__(self, deployed: Deployed, device: torch.device) -> None:
        self.deployed, self.device = deployed, device

    @torch.inference_mode()
    def run(self, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
        answer = self.deployed(torch.from_numpy(image)[None].to(self.device))
        return {n: t[0].cpu().numpy() for n, t in zip(self.deployed.outputs, answer, strict=True)}
