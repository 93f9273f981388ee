"""A checkpoint becomes a bundle: graph, parity gate, golden run, model card."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from export.card import model_card
from export.gate import MARGIN, check_parity, run_onnx
from export.graph import MULTIPLE, Deployed, to_onnx
from perception.bundle import (
    Bundle,
    BundleDescription,
    ClassesInfo,
    InputInfo,
    Metric,
    TrainingInfo,
    write_bundle,
)
from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.networks.drive import DriveNet
from perception.simulation import Drive, parse_options
from perception.training.checkpoint import load_weights, read_config
from perception.training.report import EvaluationReport

GOLDEN_SIZES = ("320x192", "576x320", "512x384")
TERMS = "the terms of every data set above hold for the weights; several of them allow research only"


def export_bundle(
    checkpoint: Path, folder: Path, name: str, version: str, reports: list[Path]
) -> tuple[Bundle, str]:
    """Write the bundle of a checkpoint; returns it, and how well ONNX agrees with torch.

    Args:
        reports: of `perception evaluate --output`; their figures go into the bundle.

    Raises:
        DataError: the checkpoint cannot be read, or is of another architecture.
        ParityError: ONNX and torch disagree; nothing is written.
        BundleError: the folder cannot be written.
    """
    config = read_config(checkpoint)
    network = DriveNet(len(DRIVE))
    load_weights(network, checkpoint)
    deployed = Deployed(network)
    images = golden_images()
    model = to_onnx(deployed)
    parity = check_parity(deployed, model, images)
    said = (
        f"labels of ONNX Runtime and torch agree on {parity.agreement:.4%} of the pixels of {parity.images} "
        f"frames; logits of pixels that differ are {parity.margin:.1g} apart (limit {MARGIN:g})."
    )
    description = BundleDescription(
        name=name,
        version=version,
        classes=ClassesInfo(name=DRIVE.name, names=DRIVE.names, colours=DRIVE.colours, things=DRIVE.things),
        input=InputInfo(multiple=MULTIPLE, pixels=config.pixels),
        training=TrainingInfo(data=tuple(d.public_name for d in config.train), licence=TERMS),
        metrics=read_metrics(reports),
    )
    bundle = write_bundle(
        folder,
        description,
        model=model,
        golden_image=images[0],
        golden_outputs={"labels": run_onnx(model, images[0])},
        card=model_card(description, said),
    )
    return bundle, said


def golden_images() -> list[npt.NDArray[np.uint8]]:
    """Simulated frames uint8 (1, h, w, 3) of several sizes; the first becomes the bundle's golden input."""
    drives = [Drive(parse_options(f"seed={i}&size={size}")) for i, size in enumerate(GOLDEN_SIZES)]
    return [drive.render(30).image[None] for drive in drives]


def read_metrics(reports: list[Path]) -> tuple[Metric, ...]:
    """The figures of evaluation reports. Raises ConfigError for one that cannot be read."""
    metrics: list[Metric] = []
    for path in reports:
        try:
            report = EvaluationReport.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ConfigError(f"{path}: not a report of perception evaluate: {error}") from error
        metrics += report.metrics
    return tuple(metrics)
