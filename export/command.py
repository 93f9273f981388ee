"""`perception export`: a checkpoint becomes a bundle, or is refused."""

from pathlib import Path
from typing import Annotated

import typer

from perception.console import Console
from perception.errors import ConfigError


def export(
    checkpoint: Annotated[Path, typer.Argument(help="checkpoint.pt of a training run.")],
    folder: Annotated[Path, typer.Argument(help="Folder of the bundle to write.")],
    name: Annotated[str, typer.Option(help="Name of the bundle.")] = "drive",
    version: Annotated[str, typer.Option(help="Version of the bundle.")] = "1",
    pixels: Annotated[
        int | None, typer.Option(help="Pixels of the network's input, instead of the recipe's.", min=1024)
    ] = None,
    metrics: Annotated[
        list[Path] | None, typer.Option(help="Report of `perception evaluate --output`; repeatable.")
    ] = None,
    calibrate: Annotated[
        list[str] | None, typer.Option(help="Source of frames to calibrate INT8 networks on; repeatable.")
    ] = None,
    calibration: Annotated[
        str, typer.Option(help="How ranges are found: auto (the best of all), minmax, entropy, percentile.")
    ] = "auto",
    keep_float: Annotated[
        int | None,
        typer.Option(
            help="Layers of INT8 networks to leave in float32, the worst; as few as pass, where not given.",
            min=0,
        ),
    ] = None,
    validate: Annotated[
        list[str] | None, typer.Option(help="LAYOUT:PATH on which no precision may lose much; repeatable.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Folder for tables and pictures of what each precision loses.")
    ] = None,
) -> None:
    """[train] Export a trained network to a bundle.

    It is written in several precisions, and refused where one of them loses too much.

    \b
    Examples:
      perception export runs/drive/checkpoint.pt runs/drive/bundle --validate camvid:DATA/camvid/val
      perception export checkpoint.pt bundle/ --calibrate frames/ --validate camvid:DATA/camvid/val
    """
    from calibration.ranges import Method  # noqa: PLC0415 - onnxruntime; the command's help does without it
    from export.exporter import Calibration, export_bundle  # noqa: PLC0415 - torch
    from export.precision_report import tables  # noqa: PLC0415

    if calibration not in ("auto", *Method):
        raise ConfigError(f"--calibration {calibration}: choose auto, {', '.join(Method)}")
    methods = tuple(Method) if calibration == "auto" else (Method(calibration),)
    console = Console()
    with console.status("reading the checkpoint") as status:
        bundle, measured = export_bundle(
            checkpoint,
            folder,
            name=name,
            version=version,
            pixels=pixels,
            reports=metrics or [],
            calibration=Calibration(calibrate or [], methods, keep_float),
            validate=validate or [],
            report=report,
            say=status.update,
        )
    for table in tables(measured):
        console.print(table)
    for line in (*(f"{tool}: {result}" for tool, result in measured.checks.items()), measured.calibration):
        console.print(line, soft_wrap=True)
    sizes = (f"{one} {bundle.graph(one).stat().st_size / 2**20:.1f} MiB" for one in bundle.precisions)
    console.print(f"{bundle.folder}: {', '.join(sizes)}", soft_wrap=True)
