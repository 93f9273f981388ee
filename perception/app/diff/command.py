"""The command `perception diff`."""

from pathlib import Path
from typing import Annotated

import typer

from perception.app.output import AsJson, show
from perception.errors import ConfigError, DataError


def diff(
    a: Annotated[
        Path, typer.Argument(help="A folder or an .mcap log that perception run wrote.", metavar="A")
    ],
    b: Annotated[Path, typer.Argument(help="Another one, of the same frames.", metavar="B")],
    labels: Annotated[
        float | None, typer.Option(help="Least share of equal pixels.", min=0, max=1, metavar="SHARE")
    ] = None,
    instances: Annotated[
        float | None,
        typer.Option(
            help="Least share of road users that both runs have: of one class, with an IoU of 0.5 or more.",
            min=0,
            max=1,
            metavar="SHARE",
        ),
    ] = None,
    lanes: Annotated[
        float | None,
        typer.Option(
            help="Least share of lane boundaries that both runs have.", min=0, max=1, metavar="SHARE"
        ),
    ] = None,
    frames: Annotated[
        float | None,
        typer.Option(
            help="Least share of frames that both runs have, with the same status [default: 1].",
            min=0,
            max=1,
            metavar="SHARE",
        ),
    ] = None,
    worst: Annotated[
        tuple[int, Path] | None,
        typer.Option(
            help="Draw the N frames that are least alike into a folder: A, B, and where they differ.",
            metavar="N OUT/",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare what two runs say of the same frames.

    Without a least share, all must be identical: label maps, instance maps and the lines of scenes.jsonl, but
    for ages and timings. With some, those are judged, and the frames. Exit status: 0 within, 1 beyond, 2
    wrong use, or a run that cannot be read.

    \b
    Examples:
      perception diff runs/monday/ runs/tuesday/
      perception diff float32/ int8/ --labels 0.97 --instances 0.9 --worst 5 worst/
    """
    from perception.app.diff.compare import compare  # noqa: PLC0415 - the command's help does without it
    from perception.app.diff.pictures import draw_worst  # noqa: PLC0415
    from perception.app.diff.report import Report, class_names  # noqa: PLC0415
    from perception.app.diff.runs import open_run, pair  # noqa: PLC0415

    runs = open_run(a), open_run(b)
    pairing = pair(runs[0].scenes, runs[1].scenes)
    asked = {"labels": labels, "instances": instances, "lanes": lanes, "frames": frames}
    try:
        found = [compare(*runs, *scenes) for scenes in pairing.pairs]
        given = {name: least for name, least in asked.items() if least is not None}
        if given.keys() - {"frames"} and all(one.labels is None for one in found):
            raise ConfigError(
                f"--{min(given.keys() - {'frames'})}: neither run has maps; compare frames alone"
            )
        report = Report(str(a), str(b), pairing, found, given, class_names(*runs))
        if worst is not None:
            draw_worst(*worst, report, runs)
    except DataError as error:
        raise ConfigError(str(error)) from error
    show(report, as_json)
    if not report.within:
        raise typer.Exit(1)
