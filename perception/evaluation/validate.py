"""`perception validate`: weights judged by the recordings that a fold holds out."""

from pathlib import Path
from typing import Annotated

import typer

from perception.errors import ConfigError
from perception.evaluation.command import MinScore, Pixels, Reliability


def validate(
    folds: Annotated[Path, typer.Argument(help="Folds file, YAML; see launch/folds.yaml.")],
    fold: Annotated[str, typer.Option(help="Which fold's recordings to score.")] = "A",
    data: Annotated[Path, typer.Option(help="Folder that {data} stands for in the folds file.")] = Path(
        "data"
    ),
    model: Annotated[str, typer.Option(help="Name of a shipped bundle, or a bundle's folder.")] = "drive",
    engine: Annotated[str, typer.Option(help="Engine that runs it.")] = "auto",
    pixels: Pixels = None,
    only: Annotated[str | None, typer.Option(help="Only these sets: NAME,NAME.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Only every so many-th frame, without flicker.")] = 1,
    drive_frames: Annotated[int, typer.Option(min=0, help="Frames of each drive without labels.")] = 100,
    output: Annotated[Path | None, typer.Option(help="Write the report as JSON.")] = None,
    picture: Annotated[Path | None, typer.Option(help="Draw the worst and best frames of each set.")] = None,
    reliability: Reliability = None,
    min_score: MinScore = None,
    calibrate: Annotated[
        bool,
        typer.Option(help="Calibrate the bundle's scores on these sets, and write that into it."),
    ] = False,
) -> None:
    """[train] Judge a bundle by the recordings a fold holds out.

    Every set, class and size in one report. --calibrate writes into the bundle what its scores mean, and from
    which on road users are published; judge that on other recordings than those it was measured on.

    \b
    Examples:
      perception validate launch/folds.yaml --data DATA --engine onnx-cpu
      perception validate launch/folds.yaml --data DATA --only roadscene --reliability scores.png
    """
    if calibrate and (output or reliability):
        raise ConfigError(
            "--calibrate: what scores will mean is not known while they are measured; leave out --output and "
            "--reliability, and validate again"
        )
    from perception.evaluation.fold_report import judge  # noqa: PLC0415 - the extra `train`; help needs none

    judge(
        folds,
        fold,
        data,
        model=model,
        engine=engine,
        pixels=pixels,
        only=None if only is None else only.split(","),
        every=every,
        drive_frames=drive_frames,
        output=output,
        picture=picture,
        reliability=reliability,
        min_score=min_score or [],
        calibrate=calibrate,
    )
