"""`perception calibrate`: what is known of a camera, by measuring it."""

from pathlib import Path
from typing import Annotated

import typer

from calibration.mount_command import check, mount
from perception.app.output import AsJson, show
from perception.console import Console
from perception.errors import ConfigError

calibrate = typer.Typer(add_completion=False, no_args_is_help=True, rich_markup_mode=None)


@calibrate.callback()
def _calibrate() -> None:
    """Measure a camera.

    \b
    Examples:
      perception calibrate intrinsics board.mp4 --board chess:9x6:25mm front.yaml
      perception calibrate mount drive.mp4 front.yaml --height 1.32
      perception calibrate check front.yaml drive.mp4 grid.jpg
    """


@calibrate.command()
def intrinsics(
    pictures: Annotated[
        list[str],
        typer.Argument(help="Photographs of the board, their folder, or a video.", metavar="PICTURES..."),
    ],
    file: Annotated[Path, typer.Argument(help="The calibration to write, .yaml.", metavar="FILE")],
    board: Annotated[
        str,
        typer.Option(
            help="chess:9x6:25mm: inner corners, side of a square; charuco:8x6:40mm:30mm: squares, sides of "
            "a square and of a marker, and :DICTIONARY unless 4X4_50.",
            metavar="BOARD",
        ),
    ],
    fisheye: Annotated[
        bool, typer.Option("--fisheye", help="For lenses of more than about 110°: the equidistant model.")
    ] = False,
    coefficients: Annotated[
        int | None,
        typer.Option(help="Of distortion, 5 or 8 [default: what foretells other views better].", metavar="N"),
    ] = None,
    drawn: Annotated[
        Path | None,
        typer.Option(
            "--pictures", help="Write corners, coverage and the lens undone there.", metavar="FOLDER"
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure a camera's lens with pictures of a board.

    Hold a flat, stiff board into every part of the picture, tilted by 20 to 45° each way, near and far, 15
    to 30 times; zoom, focus and size of the pictures as they will be on the road. Of a video, sharp views
    that differ are chosen.

    \b
    Examples:
      perception calibrate intrinsics board.mp4 --board chess:9x6:25mm front.yaml
      perception calibrate intrinsics photos/ --board charuco:8x6:40mm:30mm front.yaml --pictures shown/
    """
    from calibration.boards import parse_board  # noqa: PLC0415 - OpenCV; help does without it
    from calibration.intrinsics import find_intrinsics  # noqa: PLC0415
    from calibration.intrinsics_pictures import draw  # noqa: PLC0415
    from calibration.intrinsics_report import Report  # noqa: PLC0415
    from calibration.views import choose_views, find_views  # noqa: PLC0415
    from perception.geometry.calibration_file import Calibration, write_calibration  # noqa: PLC0415

    known = parse_board(board)
    if coefficients not in (None, 5, 8) or (fisheye and coefficients is not None):
        raise ConfigError(
            f"--coefficients {coefficients}: choose 5 or 8, and none with --fisheye, which has 4"
        )
    _check_writable(file, drawn)
    with Console(stderr=True).status("looking for the board") as status:
        sightings = find_views(pictures, known, status.update)
        status.update("fitting the lens")
        chosen = choose_views(sightings.views, sightings.size)
        found = find_intrinsics(chosen, sightings.size, fisheye=fisheye, coefficients=coefficients)
    report = Report(found, sightings, file)
    if drawn is not None:
        draw(found, drawn)
    write_calibration(file, Calibration(found.info, name=file.stem), report.measured())
    show(report, as_json)


def _check_writable(file: Path, drawn: Path | None) -> None:
    """Before the work.

    Raises:
        ConfigError: the file is a photograph, or something else that nobody wants to lose.
    """
    from perception.geometry.calibration_file import read_calibration  # noqa: PLC0415

    if file.suffix.lower() not in {".yaml", ".yml"}:
        raise ConfigError(
            f"{file}: the last argument is the calibration to write; give a name that ends in .yaml"
        )
    if not file.parent.is_dir():
        raise ConfigError(f"{file}: there is no folder {file.parent}; make it, or give another")
    if file.exists():
        try:
            mount = read_calibration(file).mount
        except ConfigError as error:
            raise ConfigError(f"{file}: exists and is no calibration; give another name ({error})") from None
        if mount is not None:
            raise ConfigError(
                f"{file}: holds a mount, which was measured with its lens; give another name, and measure "
                "the mount again"
            )
    if drawn is not None:
        try:
            drawn.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"--pictures {drawn}: cannot be made ({error.strerror})") from error


calibrate.command()(mount)
calibrate.command()(check)
