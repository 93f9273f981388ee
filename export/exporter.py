"""A checkpoint becomes a bundle: graphs, validation, golden inputs and outputs, model card."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from pydantic import ValidationError

from calibration.frames import select_frames
from calibration.ranges import Method
from export.card import model_card
from export.detections import check_detections
from export.float16 import round_weights, store_as_float16, to_float16
from export.graph import to_onnx
from export.parity import ParityCheck
from export.precision_report import Measurements, write_report
from export.quantise import fold_normalisation
from export.quantiser import QUANTISED, Quantiser
from export.tensorrt import check_tensorrt
from export.tolerances import faults, refuse
from export.validation import check_parity
from perception.bundle.bundle import Bundle, write_bundle
from perception.bundle.manifest import Metric, Precision
from perception.datasets.opening import open_dataset
from perception.engines.onnx_cpu import open_graph
from perception.errors import ConfigError, DataError
from perception.evaluation.tables import EvaluationReport
from perception.frame import Frame
from perception.networks.export_wrapper import Deployed
from perception.networks.zoo.mask_rcnn import DeployedMaskRCNN
from perception.resample import fit_image
from perception.simulation import Drive, parse_options
from perception.sources.registry import open_source
from perception.training.checkpoint import load_weights, read_config
from perception.training.describe import MULTIPLE, count, describe
from perception.training.tasks import make_task

CALIBRATION_FRAMES = 64
LEAST_FRAMES = 8  # fewer show too little of light and scene
GOLDEN_SIZES = ("256x128", "576x320", "512x384")
KEEP_STEPS = (1, 4, 16)  # layers left in float32, until the graph is within tolerances


@dataclass(frozen=True)
class Calibration:
    """How to quantise.

    Attributes:
        sources: of frames to calibrate on; without any, nothing is quantised.
        methods: to find ranges by, of which the best is taken.
        keep_float: layers to leave in float32, those that hurt most; None: as few as the tolerances allow.
    """

    sources: Sequence[str] = ()
    methods: Sequence[Method] = tuple(Method)
    keep_float: int | None = None


def export_bundle(
    checkpoint: Path,
    folder: Path,
    *,
    name: str,
    version: str,
    pixels: int | None = None,
    reports: Sequence[Path] = (),
    calibration: Calibration = Calibration(),
    validate: Sequence[str] = (),
    report: Path | None = None,
    say: Callable[[str], None] = lambda what: None,
) -> tuple[Bundle, Measurements]:
    """Write the bundle of a checkpoint; returns it, and how well its graphs agree with torch.

    Args:
        pixels: of the network's input; None: what it was trained at.
        reports: of `perception evaluate --output`; their figures go into the bundle.
        validate: data sets, `LAYOUT:PATH`, on which no graph may lose much.
        report: folder for tables and pictures of what each graph loses; written even where one is refused.
        say: called with what is done next.

    Raises:
        DataError: the checkpoint cannot be read, is of another architecture or not finite; a source or a set
            has no frames, or no labels.
        ParityError: a graph and torch disagree; no bundle is written.
        BundleError: the folder cannot be written.
    """
    if calibration.sources and not validate:
        raise ConfigError("--calibrate without --validate: an INT8 network of unmeasured loss is not written")
    config = read_config(checkpoint)
    pixels = pixels or config.pixels
    deployed = make_task(config).deployed
    load_weights(deployed.network, checkpoint)
    round_weights(deployed.network)
    if calibration.sources and "labels" not in deployed.outputs:
        raise ConfigError(f"--calibrate: {config.network} has no INT8 graph; leave it out")
    metrics = read_metrics(reports)
    datasets = [open_dataset(source, config.own_classes()) for source in validate]
    frames = calibration_images(calibration.sources, pixels) if calibration.sources else []
    images, measured = golden_images(deployed), Measurements()

    say("exporting to ONNX, and comparing it with torch")
    exact = to_onnx(deployed)
    graphs = {Precision.FLOAT32: store_as_float16(exact)}
    runtime = f"onnxruntime {ort.__version__}"
    measured.checks[runtime] = _parity(deployed, graphs[Precision.FLOAT32], images)
    folded = b""
    if datasets or "boxes" not in deployed.outputs:  # which boxes float16 finds, only labels can judge
        folded = to_onnx(fold_normalisation(deployed))
        graphs[Precision.FLOAT16] = to_float16(folded)
    description = describe(config, deployed, name=name, version=version, pixels=pixels, metrics=metrics)
    parity = ParityCheck(description, deployed, images, datasets)
    quantiser = None
    if frames:
        say(f"calibrating on {len(frames)} frames")
        quantiser = Quantiser(folded, frames, calibration.methods)
        measured.calibration = str(quantiser)
        if calibration.keep_float:
            say("quantising each layer alone, to find those that hurt most")
        graphs |= {one: quantiser.graph(one, calibration.keep_float or 0) for one in QUANTISED}
    say(f"comparing {', '.join(graphs)} with torch")
    measured.comparisons = parity.compare(graphs)
    if quantiser is not None:
        if calibration.keep_float is None:
            _leave_in_float(graphs, quantiser, parity, measured, say)
        measured.sweeps, measured.exact = quantiser.sweeps, quantiser.exact
    if report is not None:
        write_report(report, measured, config.class_set())
    refuse(measured.comparisons)

    say("building them in TensorRT")
    for precision, graph in graphs.items():
        if precision is not Precision.INT8:  # which is for CPUs
            for tool, result in check_tensorrt(graph, pixels, deployed.frames).items():
                measured.checks[f"{tool}, {precision}"] = result
    description = description.model_copy(
        update={
            "network": count(config, deployed, pixels),
            "checks": measured.checks,
            "accuracy": measured.accuracy(),
        }
    )
    bundle = write_bundle(
        folder,
        description,
        graphs=graphs,
        golden_image=images[0],
        golden_outputs={one: _golden(graph, one, images[0]) for one, graph in graphs.items()},
        card=model_card(description, graphs, measured),
    )
    return bundle, measured


def _parity(deployed: Deployed, model: bytes, images: Sequence[npt.NDArray[np.uint8]]) -> str:
    """How the float32 graph agrees with torch."""
    if isinstance(deployed, DeployedMaskRCNN):
        return f"{check_detections(deployed, model, images)}."
    return f"{check_parity(deployed, model, images)}."


def _golden(graph: bytes, precision: Precision, image: npt.NDArray[np.uint8]) -> dict[str, npt.NDArray[Any]]:
    return {name: array[None] for name, array in open_graph(graph, precision).run(image[0]).items()}


def _leave_in_float(
    graphs: dict[Precision, bytes],
    quantiser: Quantiser,
    parity: ParityCheck,
    measured: Measurements,
    say: Callable[[str], None],
) -> None:
    """Where quantised graphs lose too much, leave more and more layers in float32, the worst first."""
    for precision in QUANTISED:
        for number in KEEP_STEPS:
            if not any(faults(one) for one in measured.comparisons if one.precision is precision):
                break
            say(f"{precision} loses too much; trying it with {number} layers in float32")
            graphs[precision] = quantiser.graph(precision, number)
            others = [one for one in measured.comparisons if one.precision is not precision]
            measured.comparisons = others + parity.compare({precision: graphs[precision]})


def calibration_images(sources: Sequence[str], pixels: int) -> list[npt.NDArray[np.uint8]]:
    """Representative frames of the sources, uint8 (1, h, w, 3), at the network's size.

    Raises:
        DataError: a source gives none or never ends, or all together give too few.
    """
    chosen = set(select_frames(_all_frames(sources), CALIBRATION_FRAMES))
    if len(chosen) < LEAST_FRAMES:
        raise DataError(
            f"--calibrate: {len(chosen)} frames in all, at least {LEAST_FRAMES} are needed, better "
            f"{CALIBRATION_FRAMES} of different light and scene; add sources"
        )
    images = enumerate(_all_frames(sources))  # read once more, as a drive does not fit in memory
    return [fit_image(image, pixels, MULTIPLE)[None] for number, image in images if number in chosen]


def _all_frames(sources: Sequence[str]) -> Iterator[npt.NDArray[np.uint8]]:
    for uri in sources:
        with closing(open_source(uri)) as source:
            if source.live:
                raise DataError(f"--calibrate {uri}: a camera never ends; record it, and give the recording")
            image = None
            for one in source:
                if isinstance(one, Frame):
                    yield (image := one.image)
            if image is None:
                raise DataError(f"--calibrate {uri}: has no frames; give a video or images of the road")


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
