"""`perception export`: a checkpoint becomes a bundle, or is refused."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


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
        list[str] | None, typer.Option(help="Source of frames to calibrate an INT8 network on; repeatable.")
    ] = None,
    validate: Annotated[
        list[str] | None, typer.Option(help="LAYOUT:PATH on which INT8 may lose little; repeatable.")
    ] = None,
) -> None:
    """Export a trained network to a model bundle; refused where ONNX and torch disagree."""
    from export.exporter import export_bundle  # noqa: PLC0415 - torch; the command's help does without it

    console = Console()
    with console.status("exporting to ONNX, and comparing it with torch"):
        bundle, said = export_bundle(
            checkpoint,
            folder,
            name=name,
            version=version,
            pixels=pixels,
            reports=metrics or [],
            calibrate=calibrate or [],
            validate=validate or [],
        )
    size = sum(file.stat().st_size for file in bundle.folder.iterdir())
    console.print(f"{bundle.folder}: {size / 2**20:.1f} MiB; {said}")
