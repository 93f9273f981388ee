"""Validation of networks that give boxes: the graph must find what torch finds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from export.validation import ParityError, run_onnx
from perception.networks.zoo.mask_rcnn import LEAST_SCORE, DeployedMaskRCNN

Found = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Agreement:
    """All `detections` over `images` have a counterpart within `apart` times the tolerance."""

    images: int
    detections: int
    apart: float

    def __str__(self) -> str:
        return (
            f"all {self.detections} detections of torch and of ONNX Runtime in {self.images} frames have "
            f"their like in the other, at most {self.apart:.1g} of the tolerance apart"
        )


def check_detections(
    deployed: DeployedMaskRCNN, model: bytes, images: Sequence[npt.NDArray[np.uint8]]
) -> Agreement:
    """Run `images`, each uint8 (1, h, w, 3), through torch and the graph, and pair their detections.

    Their order is free, as scores may lie within rounding of each other. Those within the tolerance of the
    least score may be missing.

    Raises:
        ParityError: a detection has no like of its class within the tolerances of `deployed.outputs`.
    """
    count, apart = 0, 0.0
    for image in images:
        with torch.inference_mode():
            tensors = deployed(torch.from_numpy(image))
        expected = {name: t.numpy()[0] for name, t in zip(deployed.outputs, tensors, strict=True)}
        found = {name: array[0] for name, array in run_onnx(model, image).items()}
        for these, those in ((expected, found), (found, expected)):
            sure = LEAST_SCORE + deployed.outputs["scores"].tolerance
            for i in np.flatnonzero(~(these["scores"] <= sure)).tolist():
                apart = max(apart, _nearest(these, i, those, deployed))
                count += 1
    if not apart <= 1:
        raise ParityError(
            f"the ONNX graph differs from torch: a detection has no like within {apart:.2g} times the "
            "tolerance; nothing was written"
        )
    return Agreement(len(images), count, apart)


def _nearest(these: Found, i: int, those: Found, deployed: DeployedMaskRCNN) -> float:
    """How far the i-th of these is from the nearest of those, in tolerances, by its worst output."""
    distance = np.where(those["classes"] == these["classes"][i], 0.0, np.inf)
    for name in ("boxes", "scores", "masks"):
        difference = np.abs(those[name] - these[name][i]).reshape(len(distance), -1).max(1)
        distance = np.maximum(distance, difference / deployed.outputs[name].tolerance)
    return float(np.nan_to_num(distance.min(), nan=np.inf))
