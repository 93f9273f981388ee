"""`perception export`: a checkpoint becomes a bundle, or is refused."""

from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from pydantic import ValidationError
from rich.console import Console

from export.card import model_card
from export.gate import MARGIN, check_parity, run_onnx
from export.graph import MULTIPLE, Deployed, to_onnx
from perception.bundle import BundleDescription, ClassesInfo, InputInfo, Metric, TrainingInfo, write_bundle
from perception.classes import DRIVE
from perception.errors import ConfigError
from perception.networks.drive import DriveNet
from perception.simulation import Drive, parse_options
from perception.training.checkpoint import load_weights, read_config
from perception.training.report import EvaluationReport

GOLDEN_SIZES = ("320x192", "576x320", "512x384")
TERMS = "the terms of every data set above hold for the weights; several of them allow research only"


def export(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint.pt of a training run.")],
    folder: Annotated[Path, typer.Argument(help="Folder of the bundle to write.")],
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = "drive",
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1",
    metrics: Annotated[
        list[Path] | None, typer.Option(help="Report of `perception evaluate --output`; repeatable.")
    ] = None,
) -> None:
    """Export a trained network to a model bundle; refused where ONNX and torch disagree."""
    console = Console()
    config = read_config(checkpoint)
    network = DriveNet(len(DRIVE))
    load_weights(network, checkpoint)
    deployed = Deployed(network)
    images = golden_images()
    with console.status("exporting to ONNX"):
        model = to_onnx(deployed)
    with console.status("comparing ONNX with torch"):
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
        metrics=read_metrics(metrics or []),
    )
    labels = run_onnx(model, images[0])
    bundle = write_bundle(
        folder,
        description,
        model=model,
        golden_image=images[0],
        golden_outputs={"labels": labels},
        card=model_card(description, said),
    )
    console.print(f"{bundle.folder}: {len(model) / 2**20:.1f} MiB; {said}")


def golden_images() -> list[npt.NDArray[np.uint8]]:
    """Simulated frames uint8 (1, h, w, 3) of several sizes; the first becomes the bundle's golden input."""
    drives = [Drive(parse_options(f"seed={i}&size={size}")) for i, size in enumerate(GOLDEN_SIZES)]
    return [drive.render(30).image[None] for drive in drives]


def read_metrics(reports: list[Path]) -> tuple[Metric, ...]:
    """The figures of `perception evaluate --output` reports.

    Raises:
        ConfigError: a report cannot be read.
    """
    metrics: list[Metric] = []
    for path in reports:
        try:
            report = EvaluationReport.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ConfigError(f"{path}: not a report of perception evaluate: {error}") from error
        metrics += report.metrics
    return tuple(metrics)
