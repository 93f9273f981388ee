"""The parity gate: an exported graph must answer as the network in torch does."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
import torch

from export.graph import Deployed
from perception.errors import PerceptionError

MARGIN = 1e-3  # logits this close may swap their order in another runtime's rounding


class ParityError(PerceptionError):
    """The exported graph does not answer as the network does."""


@dataclass(frozen=True)
class Parity:
    """How the graph compares with torch over all pixels of the images.

    `agreement` is the share of equal labels; `margin` the largest distance in logits between the two labels
    of a pixel where they differ, 0 where none does.
    """

    images: int
    agreement: float
    margin: float


def check_parity(deployed: Deployed, model: bytes, images: Sequence[npt.NDArray[np.uint8]]) -> Parity:
    """Run `images`, each uint8 (1, h, w, 3), through torch and the graph and compare the labels.

    Raises:
        ParityError: a label differs whose two logits torch holds more than `MARGIN` apart.
    """
    equal = pixels = 0
    margin = 0.0
    for image in images:
        with torch.inference_mode():
            logits = deployed.logits(torch.from_numpy(image)).numpy()[0]
        expected = logits.argmax(0)
        found = run_onnx(model, image)[0]
        differs = expected != found
        equal += int(np.count_nonzero(~differs))
        pixels += differs.size
        if differs.any():
            rows, columns = np.nonzero(differs)
            best = logits[expected[differs], rows, columns]
            margin = max(margin, float((best - logits[found[differs], rows, columns]).max()))
    if not margin <= MARGIN:
        raise ParityError(
            f"the ONNX graph differs from torch: labels agree on {equal / pixels:.4%} of {pixels} pixels, "
            f"with logits up to {margin:.2g} apart where they differ (limit {MARGIN}); nothing was written"
        )
    return Parity(len(images), equal / pixels, margin)


def run_onnx(model: bytes, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Labels uint8 (1, h, w) of image uint8 (1, h, w, 3) by ONNX Runtime on the CPU."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    (labels,) = session.run(["labels"], {"image": image})
    return np.asarray(labels, np.uint8)
