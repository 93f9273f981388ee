"""A checkpoint becomes a bundle: graph, parity gate, golden run, model card."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from pydantic import ValidationError

from calibration.frames import select_frames
from export.card import model_card
from export.detections import check_detections
from export.gate import check_loss, check_parity, run_onnx
from export.graph import to_onnx
from export.half import keep_in_half, round_weights
from export.quantise import quantise
from export.tensorrt import check_tensorrt
from perception.bundle import Bundle, write_bundle
from perception.bundle_info import Metric, Precision
from perception.errors import ConfigError
from perception.frame import Frame
from perception.networks.deployed import Deployed, DeployedMaskRCNN
from perception.perceiver import fit_image
from perception.simulation import Drive, parse_options
from perception.sources import open_source
from perception.training.checkpoint import load_weights, read_config
from perception.training.describe import MULTIPLE, count, describe
from perception.training.report import EvaluationReport
from perception.training.tasks import make_task

CALIBRATION_FRAMES = 64
GOLDEN_SIZES = ("256x128", "576x320", "512x384")


def export_bundle(
    checkpoint: Path,
    folder: Path,
    *,
    name: str,
    version: str,
    pixels: int | None = None,
    reports: Sequence[Path] = (),
    calibrate: Sequence[str] = (),
    validate: Sequence[str] = (),
) -> tuple[Bundle, str]:
    """Write the bundle of a checkpoint; returns it, and how well its graphs agree with torch.

    Args:
        pixels: of the network's input; None: what it was trained at.
        reports: of `perception evaluate --output`; their figures go into the bundle.
        calibrate: sources of frames to calibrate a quantised graph on; without any, the bundle has none.
        validate: data sets, `LAYOUT:PATH`, on which the quantised graph may lose little.

    Raises:
        DataError: the checkpoint cannot be read, or is of another architecture.
        ParityError: a graph and torch disagree; nothing is written.
        BundleError: the folder cannot be written.
    """
    if calibrate and not validate:
        raise ConfigError("--calibrate without --validate: an INT8 network of unmeasured loss is not written")
    config = read_config(checkpoint)
    pixels = pixels or config.pixels
    deployed = make_task(config).deployed
    load_weights(deployed.network, checkpoint)
    round_weights(deployed.network)
    if calibrate and "labels" not in deployed.outputs:
        raise ConfigError(f"--calibrate: {config.network} has no INT8 graph; leave it out")
    images = golden_images(deployed)
    model = keep_in_half(to_onnx(deployed))
    if isinstance(deployed, DeployedMaskRCNN):
        said = f"{check_detections(deployed, model, images)}."
    else:
        said = f"{check_parity(deployed, model, images)}."
    checks = {f"onnxruntime {ort.__version__}": said} | check_tensorrt(model, pixels, deployed.frames)
    said = " ".join(f"{tool}: {result}" for tool, result in checks.items())
    graphs = {Precision.FLOAT32: model}
    if calibrate:
        frames = calibration_images(calibrate, pixels)
        graphs[Precision.INT8] = quantise(deployed, frames)
        loss = check_loss(model, graphs[Precision.INT8], validate, pixels, config.own_classes())
        said += f" int8: calibrated on {len(frames)} frames; {loss}."
    description = describe(
        config,
        deployed,
        name=name,
        version=version,
        pixels=pixels,
        metrics=read_metrics(reports),
        network=count(config, deployed, pixels),
        checks=checks,
    )
    bundle = write_bundle(
        folder,
        description,
        graphs=graphs,
        golden_image=images[0],
        golden_outputs={precision: run_onnx(graph, images[0]) for precision, graph in graphs.items()},
        card=model_card(description, said),
    )
    return bundle, said


def calibration_images(sources: Sequence[str], pixels: int) -> list[npt.NDArray[np.uint8]]:
    """Representative frames of the sources, uint8 (1, h, w, 3), at the network's size."""
    frames = [
        fit_image(frame.image, pixels, MULTIPLE)
        for source in sources
        for frame in open_source(source)
        if isinstance(frame, Frame)
    ]
    return [frame[None] for frame in select_frames(frames, CALIBRATION_FRAMES)]


def golden_images(deployed: Deployed) -> list[npt.NDArray[np.uint8]]:
    """Simulated frames, uint8 (1, h, w, 3 · frames), of several sizes if the network takes them.

    The first becomes the bundle's golden input.
    """
    sizes = GOLDEN_SIZES if deployed.size is None else (f"{deployed.size[1]}x{deployed.size[0]}",)
    drives = [Drive(parse_options(f"seed={i}&size={size}")) for i, size in enumerate(sizes)]
    numbers = range(30, 30 + deployed.frames)
    return [np.concatenate([drive.render(n).image for n in numbers], 2)[None] for drive in drives]


def read_metrics(reports: Sequence[Path]) -> tuple[Metric, ...]:
    """The figures of evaluation reports. Raises ConfigError for one that cannot be read."""
    metrics: list[Metric] = []
    for path in reports:
        try:
            report = EvaluationReport.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            raise ConfigError(f"{path}: not a report of perception evaluate: {error}") from error
        metrics += report.metrics
    return tuple(metrics)
