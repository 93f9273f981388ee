"""The command `perception bench`."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer
from rich.progress import track

from perception.app.bench import SOURCE, measure, outside, recorded
from perception.app.bench.against import against
from perception.app.bench.bus import measure_bus
from perception.app.bench.live import RATES, measure_live
from perception.app.bench.plot import check_plot, save
from perception.app.bench.side_by_side import compare, parse_size
from perception.app.output import AsJson, Model, show
from perception.app.progress import show_builds
from perception.console import Console
from perception.engines.registry import ENGINES, known_engines
from perception.errors import ConfigError

LIVE, COMPARE, AGAINST, BUS = "--live", "--compare", "--against", "--bus"
# Which kinds of measurement an option belongs to.
FOR = {
    "--size": [COMPARE], "--threads": [COMPARE], "--cameras": [COMPARE], "--plot": [COMPARE],
    "several --engine": [COMPARE], "--rate": [LIVE, BUS], "--sink": [AGAINST],
}  # fmt: skip


def bench(
    source: Annotated[str, typer.Argument(help="Source of the frames.")] = SOURCE,
    model: Model = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(help=f"auto, {', '.join(ENGINES)}; to compare, several [default: all].", metavar="NAME"),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="Frames of each measurement [default: 100].", metavar="N", min=1)
    ] = None,
    side_by_side: Annotated[bool, typer.Option(COMPARE, help="Compare engines, in turn.")] = False,
    live: Annotated[
        bool,
        typer.Option(LIVE, help="Measure a watched node on MJPEG and RTSP cameras."),
    ] = False,
    other: Annotated[
        str | None,
        typer.Option(
            AGAINST,
            help="Measure another command in turn: 'prog {source} {out}'; with --live, {out} is a page.",
            metavar="COMMAND",
        ),
    ] = None,
    bus: Annotated[
        str | None, typer.Option(BUS, help="Measure a sink and who reads from it: shm:bench.", metavar="SINK")
    ] = None,
    size: Annotated[list[str] | None, typer.Option(help="To compare: resize frames.", metavar="WxH")] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(help="To compare: CPU threads of one run; 0: one a core [default: 1].", min=0),
    ] = None,
    cameras: Annotated[
        list[int] | None, typer.Option(help="To compare: parallel callers [default: 1].", min=1, max=64)
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="To compare: write a plot.", metavar="FILE")] = None,
    rate: Annotated[
        list[float] | None,
        typer.Option(help="Live, bus: frames a second [default: 10, 30, 60].", metavar="HZ", min=1),
    ] = None,
    sink: Annotated[
        str | None, typer.Option(help="Against: what we write [default: overlay.mp4].", metavar="NAME")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measure engine, stages and pipeline on this machine.

    With --compare: the engine and the embedding API for each combination of --engine, --size, --threads and
    --cameras, each of which may be given several times. With --against: frame rate, CPU time, memory and
    start of `perception run SOURCE SINK` and of another command, from outside. With --live: how many scenes
    of a camera a viewer of the page gets, how old they are, and their CPU time. With --bus: the same of a
    process that reads from a sink.

    \b
    Examples:
      perception bench drive.mp4 --frames 300
      perception bench --compare --engine onnx-cpu --engine onnx-cpu-int8 --threads 1 --threads 2
    """
    engines = engine or []
    if unknown := [name for name in engines if name not in ("auto", *known_engines())]:
        raise ConfigError(
            f"--engine {unknown[0]}: not known; choose auto or one of {', '.join(known_engines())}"
        )
    given = {
        "--size": size,
        "--threads": threads,
        "--cameras": cameras,
        "--plot": plot,
        "several --engine": engines[1:],
        "--rate": rate,
        "--sink": sink,
    }
    count = frames or 100
    # With both of the latter, the other command is a node, too, and writes what is watched.
    kind = COMPARE if side_by_side else BUS if bus else LIVE if live else AGAINST if other else ""
    refused = [name for name, value in given.items() if value and kind not in FOR[name]]
    if refused:
        wanted = " and ".join(dict.fromkeys(" or ".join(FOR[name]) for name in refused))
        raise ConfigError(f"{', '.join(refused)}: only with {wanted}; add it, or leave that out")
    if (side_by_side or bus) and (live or other or (side_by_side and bus)):
        another = LIVE if live else AGAINST if other else BUS
        raise ConfigError(f"{kind}: not with {another}; choose one of them")
    if side_by_side:
        _compare(model or "drive", engines, source, count, size, threads, cameras, plot, as_json)
        return
    chosen = engines[0] if engines else "auto"
    if bus:
        show(measure_bus(bus, model or "drive", chosen, source, count, rate or RATES, _shown), as_json)
        return
    if not kind:
        show(measure(model or "drive", chosen, source, count), as_json)
        return
    theirs = outside.parse_command(other) if other else []
    node = outside.ours(
        outside.SOURCE, outside.OUT, "--model", model or "drive", "--engine", chosen, "--quiet"
    )
    if live:
        show(measure_live(node, theirs, source, count, rate or RATES, _shown), as_json)
        return
    if frames and not source.startswith("sim:"):
        raise ConfigError("--frames: with --against a recording is measured as a whole; give a shorter one")
    node[node.index(outside.OUT)] = f"{outside.OUT}/{sink or 'overlay.mp4'}"
    with TemporaryDirectory() as folder:
        drive = recorded(source, count, Path(folder)) if source.startswith("sim:") else source
        show(against(theirs, node, drive, _shown), as_json)


def _shown(turns: Sequence[Any]) -> Iterable[Any]:
    console = Console(stderr=True)
    return track(turns, "measuring", console=console, transient=True, disable=not console.is_terminal)


def _compare(
    model: str,
    engines: Sequence[str],
    source: str,
    frames: int,
    size: Sequence[str] | None,
    threads: Sequence[int] | None,
    cameras: Sequence[int] | None,
    plot: Path | None,
    as_json: bool,
) -> None:
    if plot is not None:
        check_plot(plot)
    with ExitStack() as building:
        on_build = building.enter_context(show_builds())

        def shown(turns: Sequence[Any]) -> Iterable[Any]:
            building.close()  # one bar at a time
            return _shown(turns)

        sizes = [parse_size(one) for one in size or []]
        comparison = compare(
            model, engines, source, frames, sizes, threads or [1], cameras or [1], shown, on_build
        )
    show(comparison, as_json)
    if plot is not None:
        save(comparison, plot)
