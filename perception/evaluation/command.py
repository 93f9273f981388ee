"""`perception evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from perception.decode.instances import WAYS

Reliability = Annotated[
    Path | None,
    typer.Option(help="Draw how often what has a score is there, for each class, over all sets."),
]
MinScore = Annotated[
    list[str] | None,
    typer.Option(help="Publish from this score on, or CLASS=SCORE; repeatable [default: the model's]."),
]

Pixels = Annotated[
    int | None,
    typer.Option(min=1, help="Pixels of the network's input [default: the model's own].", metavar="N"),
]


def evaluate(
    data: Annotated[
        list[str],
        typer.Argument(
            help="Data sets, LAYOUT:PATH, e.g. camvid:data/camvid/val, or drive:sim:?seed=3 with tracks."
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="Shipped bundle [default: drive], or a bundle's folder.")
    ] = None,
    engine: Annotated[str | None, typer.Option(help="Engine to run it on [default: auto].")] = None,
    instances: Annotated[
        str | None, typer.Option(help=f"How road users are separated: auto [default], {', '.join(WAYS)}.")
    ] = None,
    crf: Annotated[bool, typer.Option("--crf", help="Refine the class maps by a CRF.")] = False,
    denoise: Annotated[
        str | None, typer.Option(help="A bundle that restores each frame before the model sees it.")
    ] = None,
    pixels: Pixels = None,
    predictions: Annotated[
        Path | None, typer.Option(help="Score a folder that `perception run` wrote, instead of a bundle.")
    ] = None,
    classes: Annotated[Path | None, typer.Option(help="Class file: what the data sets' labels mean.")] = None,
    suite: Annotated[
        Path | None, typer.Option(help="Compare the networks of this folder of `perception train --suite`.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the worst and the best frames of each set, or the first one corrupted."),
    ] = None,
    corruptions: Annotated[
        str | None,
        typer.Option(
            help="Corrupt the frames at five severities, by all or NAME,NAME: how much of mean IoU is kept, "
            "and whether health flags it."
        ),
    ] = None,
    reliability: Reliability = None,
    min_score: MinScore = None,
    every: Annotated[int, typer.Option(min=1, help="With --corruptions: only every so many-th frame.")] = 1,
) -> None:
    """[train] Score scenes on labelled data sets.

    IoU, lane-marking F1, mask AP, panoptic quality, precision and calibration of scores, lanes, tracks, and
    metres on simulated drives.
    All figures are of what is published; --min-score 0 gives the AP of all that is found.

    \b
    Examples:
      perception evaluate camvid+instances:DATA/camvid/val --output report.json
      perception evaluate drive:sim:?seed=3 --min-score 0 --reliability scores.png
    """
    from perception.evaluation.report import report  # noqa: PLC0415 - the extra `train`; help needs none

    report(
        data,
        model=model,
        engine=engine,
        instances=instances,
        crf=crf,
        denoise=denoise,
        pixels=pixels,
        predictions=predictions,
        classes=classes,
        suite=suite,
        output=output,
        picture=picture,
        corruptions=corruptions,
        reliability=reliability,
        min_score=min_score or [],
        every=every,
    )
