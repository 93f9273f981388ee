"""Validation of an exported graph: its outputs must be those of the network in torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from perception.engines.onnx_cpu import open_graph
from perception.errors import PerceptionError
from perception.networks.export_wrapper import Deployed, DeployedDrive, DeployedSemantic

MARGIN = 1e-3  # logits this close may swap their order in another runtime's rounding


class ParityError(PerceptionError):
    """The outputs of the exported graph are not those of the network."""


@dataclass(frozen=True)
class Parity:
    """How the graph compares with torch over all pixels of the images.

    `agreement` is the share of equal labels, None where the network gives none; `margin` the largest distance
    in logits between the two labels of a pixel where they differ, 0 where none does; `apart` the largest
    distance in another output, in its tolerances, None where there is none.
    """

    images: int
    agreement: float | None
    margin: float
    apart: float | None

    def __str__(self) -> str:
        said = f"ONNX Runtime and torch compared on {self.images} frames"
        if self.agreement is not None:
            said += (
                f"; labels agree on {self.agreement:.4%} of the pixels, logits of those that differ are "
                f"{self.margin:.1g} apart (limit {MARGIN:g})"
            )
        if self.apart is not None:
            maps = "outputs" if self.agreement is None else "other outputs"
            said += f"; {maps} are at most {self.apart:.1g} of their tolerance apart"
        return said


def check_parity(deployed: Deployed, model: bytes, images: Sequence[npt.NDArray[np.uint8]]) -> Parity:
    """Run `images`, each uint8 (1, h, w, c), through torch and the graph and compare the outputs.

    Raises:
        ParityError: a label differs though torch holds the two best logits there and of all pixels next to it
            more than `MARGIN` apart, or a value of another output differs by more than its tolerance.
    """
    equal = pixels = 0
    margin, distances = 0.0, []
    for image in images:
        with torch.inference_mode():
            expected = dict(zip(deployed.outputs, deployed(torch.from_numpy(image)), strict=True))
        answer = run_onnx(model, image)
        for name, output in deployed.outputs.items():
            if name != "labels":
                distance = np.abs(answer[name].astype(np.float64) - expected[name].numpy()).max()
                distances.append(float(distance) / output.tolerance)
        if isinstance(deployed, DeployedDrive | DeployedSemantic):
            differs = expected["labels"].numpy()[0] != answer["labels"][0]
            equal += int(np.count_nonzero(~differs))
            pixels += differs.size
            if differs.any():
                with torch.inference_mode():
                    logits = deployed.logits(torch.from_numpy(image))
                margin = max(margin, float(_near_margins(logits, differs.shape)[differs].max()))
    if not margin <= MARGIN:
        raise ParityError(
            f"the ONNX graph differs from torch: labels agree on {equal / pixels:.4%} of {pixels} pixels, "
            f"with logits up to {margin:.2g} apart where they differ (limit {MARGIN}); nothing was written"
        )
    apart = float(np.max(distances)) if distances else None  # which keeps NaN
    if apart is not None and not apart <= 1:
        raise ParityError(
            f"the ONNX graph differs from torch: another output by {apart:.2g} times its tolerance; "
            "nothing was written"
        )
    return Parity(len(images), equal / pixels if pixels else None, margin, apart)


def _near_margins(logits: torch.Tensor, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """How far apart the two best of logits (1, c, h, w) are, the least around each pixel of a map of `shape`.

    Around: labels may depend on their neighbours, see `DeployedDrive`.
    """
    best = logits.topk(2, dim=1).values
    around = -F.max_pool2d(best[:, 1] - best[:, 0], 3, 1, 1)
    margins: npt.NDArray[np.float32] = F.interpolate(around[None], shape)[0, 0].numpy()
    return margins


def run_onnx(model: bytes, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
    """The outputs, by name, for image uint8 (1, h, w, 3) by ONNX Runtime on the CPU."""
    return {name: array[None] for name, array in open_graph(model).run(image[0]).items()}
