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
    metrics: Annotated[
        list[Path] | None, typer.Option(help="Report of `perception evaluate --output`; repeatable.")
    ] = None,
) -> None:
    """Export a trained network to a model bundle; refused where ONNX and torch disagree."""
    from export.exporter import export_bundle  # noqa: PLC0415 - torch; the command's help does without it

    console = Console()
    with console.status("exporting to ONNX, and comparing it with torch"):
        bundle, said = export_bundle(checkpoint, folder, name, version, metrics or [])
    console.print(f"{bundle.folder}: {bundle.model.stat().st_size / 2**20:.1f} MiB; {said}")
