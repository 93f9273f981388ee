"""`perception convert`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from perception.console import Console
from perception.interchange.files.folder import SceneFolder
from perception.interchange.files.new_folder import new_folder
from perception.interchange.formats import FORMATS
from perception.interchange.formats.base import image_names


class Format(StrEnum):
    """The keys of `FORMATS`, as choices of the command."""

    COCO = "coco"
    YOLO = "yolo"
    CITYSCAPES = "cityscapes"
    MOT = "mot"
    TUSIMPLE = "tusimple"
    LABELME = "labelme"


def convert(
    labels: Annotated[Path, typer.Argument(help="A folder that perception run wrote.", metavar="LABELS")],
    to: Annotated[Format, typer.Argument(help="The format.", metavar="FORMAT", show_choices=True)],
    out: Annotated[Path, typer.Argument(help="A new folder.", metavar="OUT")],
    images: Annotated[
        Path | None,
        typer.Option(
            help="Where the images lie, to name them as they are named there [default: STEM.jpg].",
            metavar="FOLDER",
        ),
    ] = None,
) -> None:
    """Write recorded scenes in the formats of other programs.

    coco (CVAT, Label Studio, pycocotools), yolo (Ultralytics, CVAT), cityscapes (cityscapesScripts, CVAT),
    mot (TrackEval, CVAT), tusimple (lane benchmarks), labelme.

    \b
    Examples:
      perception convert labels/ coco annotations/ --images frames/
      perception convert labels/ mot tracks/
    """
    source, notes = SceneFolder.read(labels).perceived()
    with new_folder(out) as draft:
        written = FORMATS[to](source, draft, image_names(images, source))
    notes += [note.replace(str(draft), str(out)) for note in written]
    for note in notes:
        Console().print(note, soft_wrap=True, highlight=False)
