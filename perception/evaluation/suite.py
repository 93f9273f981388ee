"""Bundles measured side by side: what each network gives, and what it costs. Needs no torch."""

import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict
from rich.table import Column, Table

from perception.bundle.bundle import Bundle
from perception.console import Console
from perception.datasets.dataset import Dataset, public_name
from perception.errors import BundleError, ConfigError
from perception.evaluation.scoring import score, subject_of
from perception.frame import Frame
from perception.perceiver import Perceiver

ROUNDS = 15  # of all networks in turn, so that each has the same share of the machine
ENGINE = "onnx-cpu"


class Origin(NamedTuple):
    """What a network brought, in which paper, and its file below perception/networks."""

    idea: str
    paper: str
    file: str


FLAGSHIP = Origin("the flagship", "", "drive_net.py")
MODEL_ZOO = {
    "fcn-32s": Origin("a classifier slid over the image", "Long et al. 2015", "zoo/fcn.py"),
    "fcn-16s": Origin("adds scores of stride 16", "Long et al. 2015", "zoo/fcn.py"),
    "fcn-8s": Origin("adds scores of strides 16 and 8", "Long et al. 2015", "zoo/fcn.py"),
    "fcn-8s-lite0": Origin("FCN-8s on EfficientNet-Lite0", "Long et al. 2015", "zoo/fcn.py"),
    "deconvnet": Origin(
        "a decoder as deep as the encoder, by unpooling", "Noh et al. 2015", "zoo/deconvnet.py"
    ),
    "segnet": Origin(
        "unpooling without fully connected layers", "Badrinarayanan et al. 2017", "zoo/segnet.py"
    ),
    "u-net": Origin("concatenates every level to its counterpart", "Ronneberger et al. 2015", "zoo/unet.py"),
    "u-net-bilinear": Origin("U-Net, enlarged bilinearly", "Ronneberger et al. 2015", "zoo/unet.py"),
    "u-net-nearest": Origin("U-Net, enlarged by repetition", "Ronneberger et al. 2015", "zoo/unet.py"),
    "residual-u-net": Origin("U-Net of residual blocks", "Zhang et al. 2018", "zoo/unet.py"),
    "dual-frame-u-net": Origin(
        "takes low frequencies out of the way up", "Han & Ye 2018", "zoo/framelets.py"
    ),
    "tight-frame-u-net": Origin(
        "wavelet pooling, high bands over the skip", "Han & Ye 2018", "zoo/framelets.py"
    ),
    "pspnet": Origin("averages over regions of the scene as context", "Zhao et al. 2017", "zoo/pspnet.py"),
    "deeplabv3": Origin(
        "atrous convolution at several rates as context", "Chen et al. 2017", "zoo/deeplab.py"
    ),
    "deeplabv3+": Origin("DeepLabv3 with a decoder at stride 4", "Chen et al. 2018", "zoo/deeplab.py"),
}


class Row(BaseModel):
    """One network of the comparison.

    Attributes:
        name: of the bundle.
        idea: what it brought, and in which paper.
        file, lines: where it is written, below perception/networks, and how long that is.
        parameters: how many.
        gmacs: billions of multiply-adds for an input of 4:3 at the size it was exported for.
        ms: of one frame of the data set, one thread, float32.
        figures: data set → figure → value, of `Evaluation.values`.
        checks: what each tool found of its graph on export.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    idea: str
    file: str
    lines: int
    parameters: int
    gmacs: float
    ms: float
    figures: dict[str, dict[str, float]]
    checks: dict[str, str]

    @property
    def mean_iou(self) -> float:
        """On the first data set."""
        return next(iter(self.figures.values()))["mean IoU"]


def compare_all(folder: Path, datasets: Sequence[Dataset]) -> None:
    """Measure every bundle of a suite's folder and the shipped one, and write and show what came out.

    Raises:
        ConfigError: there is no bundle in the folder.
    """
    bundles = {
        path.parent.parent.name: Bundle.load(path.parent) for path in folder.glob("*/bundle/bundle.json")
    }
    if not bundles:
        raise ConfigError(f"{folder}: no NAME/bundle in it; is this the folder of perception train --suite?")
    shipped = Bundle.load("drive")
    rows = compare({**bundles, f"drive {shipped.info.version}, shipped": shipped}, datasets)
    write(rows, folder)
    Console().print(table(rows))
    Console().print(f"{folder}: suite.md, suite.png, suite.json", soft_wrap=True)


def compare(bundles: Mapping[str, Bundle], datasets: Sequence[Dataset]) -> list[Row]:
    """Measure bundles with the same frames, on one thread of the CPU in float32; the least accurate first."""
    perceivers = {
        name: Perceiver.load(bundle.folder, ENGINE, threads=1, instances="components")
        for name, bundle in bundles.items()
    }
    times = _times(perceivers, Frame(datasets[0][0].image, 0))
    rows = []
    for name, bundle in bundles.items():
        network = bundle.info.network
        if network is None:
            raise BundleError(f"{bundle.folder}: does not name its network's size; export it again")
        origin = MODEL_ZOO.get(network.name, FLAGSHIP)
        source = resources.files("perception") / "networks" / origin.file
        subject = subject_of(perceivers[name])
        rows.append(
            Row(
                name=name,
                idea=f"{origin.idea} ({origin.paper})" if origin.paper else origin.idea,
                file=source.name,
                lines=len(source.read_text().splitlines()),
                parameters=network.parameters,
                gmacs=network.gmacs,
                ms=times[name],
                figures={d.name: score(subject, d).values() for d in datasets},
                checks=bundle.info.checks,
            )
        )
    return sorted(rows, key=lambda row: row.mean_iou)


def table(rows: Sequence[Row]) -> Table:
    names = (
        "network",
        "what it brought",
        "file",
        "lines",
        "parameters",
        "GMACs",
        "ms",
        "mean IoU",
        "boundary F1",
    )
    table = Table(*(Column(n, justify="left" if n in names[:3] else "right") for n in names))
    for cells in _cells(rows):
        table.add_row(*cells)
    return table


def write(rows: Sequence[Row], folder: Path) -> None:
    """`suite.json`, `suite.md` and `suite.png`: all figures, the table, and the plot."""
    text = json.dumps([row.model_dump() for row in rows], indent=2, ensure_ascii=False)
    (folder / "suite.json").write_text(text + "\n")
    head = "| network | what it brought | file | lines | parameters | GMACs | ms | mean IoU | boundary F1 |\n"
    lines = ["| " + " | ".join(cells) + " |\n" for cells in _cells(rows)]
    checks = [f"- {row.name}: {tool}: {result}\n" for row in rows for tool, result in row.checks.items()]
    (folder / "suite.md").write_text("".join([head, "|" + "---|" * 9 + "\n", *lines, "\n", *checks]))
    _plot(rows, folder / "suite.png")


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    return [
        [
            row.name,
            row.idea,
            row.file,
            str(row.lines),
            f"{row.parameters / 1e6:.2f} M",
            f"{row.gmacs:.1f}",
            f"{row.ms:.0f}",
            f"{row.mean_iou:.3f}",
            f"{next(iter(row.figures.values()))['boundary F1']:.3f}",
        ]
        for row in rows
    ]


def _times(perceivers: Mapping[str, Perceiver], frame: Frame) -> dict[str, float]:
    """Median ms of each network alone, all in turn."""
    images = {name: perceiver.prepare(frame) for name, perceiver in perceivers.items()}
    spent: dict[str, list[float]] = {name: [] for name in perceivers}
    for _ in range(ROUNDS):
        for name, perceiver in perceivers.items():
            start = time.perf_counter()
            perceiver.infer(images[name])
            spent[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(times) for name, times in spent.items()}


def _plot(rows: Sequence[Row], picture: Path) -> None:
    """Mean IoU against milliseconds, and against parameters."""
    import matplotlib as mpl  # noqa: PLC0415 - only training needs it

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415
    from matplotlib import ticker  # noqa: PLC0415

    figure, axes = plt.subplots(1, 2, figsize=(13, 5.5), sharey=True, layout="constrained")
    costs: tuple[tuple[str, Callable[[Row], float]], ...] = (
        ("ms a frame, one thread, float32", lambda row: row.ms),
        ("parameters, millions", lambda row: row.parameters / 1e6),
    )
    for axis, (label, cost) in zip(axes, costs, strict=True):
        for row in rows:
            axis.scatter(cost(row), row.mean_iou, color="tab:red" if "drive" in row.name else "tab:blue")
            axis.annotate(row.name, (cost(row), row.mean_iou), (4, 3), textcoords="offset points", fontsize=8)
        axis.set(xlabel=label, xscale="log")
        axis.margins(x=0.12)
        for which in (axis.xaxis.set_major_formatter, axis.xaxis.set_minor_formatter):
            which(ticker.FormatStrFormatter("%g"))
        axis.tick_params(which="minor", labelsize=7)
        axis.grid(alpha=0.3, which="both")
    axes[0].set_ylabel(f"mean IoU, {public_name(next(iter(rows[0].figures)))}")
    figure.savefig(picture, dpi=110)
    plt.close(figure)
