"""`perception calibrate mount` and `perception calibrate check`: where the camera sits over the road."""

from pathlib import Path
from typing import Annotated

import typer

from perception.app.output import AsJson, Engine, Model, show
from perception.errors import ConfigError

Drive = Annotated[str, typer.Argument(help="A recorded drive: a video, a folder of images, drive.mcap, sim:")]
Frames = Annotated[int | None, typer.Option(min=1, help="Stop after so many frames.", metavar="N")]


def mount(
    drive: Drive,
    calibration: Annotated[
        Path, typer.Argument(help="The camera's lens, such as front.yaml; the mount is written into it.")
    ],
    height: Annotated[
        float | None, typer.Option(help="Of the camera over the road, by tape measure.", metavar="METRES")
    ] = None,
    height_sd: Annotated[
        float | None, typer.Option(help="Its standard deviation [default: 0.02].", metavar="METRES")
    ] = None,
    lane_width: Annotated[
        float | None,
        typer.Option(help="In place of --height: between the lines of the lane.", metavar="METRES"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write lens and mount there instead.", metavar="FILE")
    ] = None,
    frames: Frames = None,
    model: Model = None,
    engine: Engine = None,
    as_json: AsJson = False,
) -> None:
    """Measure how the camera is mounted, on a straight drive.

    Pitch and yaw follow from where the near parts of lane boundaries meet, averaged over straight driving:
    half a minute on a marked road is good. Roll is taken as 0. Give the height: what follows from an assumed
    width of the lane misleads by up to 17 %.

    \b
    Examples:
      perception calibrate mount drive.mp4 front.yaml --height 1.32
      perception calibrate mount drive.mp4 front.yaml --lane-width 3.5 --output estimate.yaml
    """
    from calibration.mounting import Height, measure_mount  # noqa: PLC0415 - help needs no network

    given = Height.of(height, height_sd, lane_width)
    show(measure_mount(drive, calibration, given, output, frames, model, engine), as_json)


def check(
    calibration: Annotated[Path, typer.Argument(help="The calibration, with a mount, such as front.yaml.")],
    drive: Drive,
    picture: Annotated[
        Path | None,
        typer.Argument(help="Draw it on the best frame (.jpg, .png) or on all (.mp4).", metavar="[OUT]"),
    ] = None,
    frames: Frames = None,
    model: Model = None,
    engine: Engine = None,
    as_json: AsJson = False,
) -> None:
    """Compare a calibration with a drive: where its lanes vanish, and where they should.

    The exit status is 1 where they differ for sure.

    The picture has a grid of metres on the road: lines each 5 m ahead, to 60 m, and each metre to the sides.

    \b
    Examples:
      perception calibrate check front.yaml drive.mp4
      perception calibrate check front.yaml drive.mp4 grid.jpg
    """
    from calibration.checking import check_mount  # noqa: PLC0415 - help needs no network

    if picture is not None and picture.suffix.lower() not in {".jpg", ".jpeg", ".png", ".mp4"}:
        raise ConfigError(f"{picture}: is neither a picture nor a video; give a .jpg, .png or .mp4")
    report = check_mount(calibration, drive, picture, frames, model, engine)
    show(report, as_json)
    if report.warnings:
        raise typer.Exit(1)
