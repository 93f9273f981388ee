"""The command `perception bench`."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import track

from perception.app.bench import SOURCE, measure
from perception.app.bench.plot import check_plot, save
from perception.app.bench.side_by_side import compare, parse_size
from perception.app.output import AsJson, Model, show
from perception.app.progress import show_builds
from perception.engines.registry import ENGINES, known_engines
from perception.errors import ConfigError


def bench(
    source: Annotated[str, typer.Argument(help="Source of the frames.")] = SOURCE,
    model: Model = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(help=f"auto, {', '.join(ENGINES)}; to compare, several [default: all].", metavar="NAME"),
    ] = None,
    frames: Annotated[int, typer.Option(help="Frames of each measurement.", metavar="N", min=1)] = 100,
    side_by_side: Annotated[
        bool, typer.Option("--compare", help="Compare engines side by side, alternating.")
    ] = False,
    size: Annotated[list[str] | None, typer.Option(help="To compare: resize frames.", metavar="WxH")] = None,
    threads: Annotated[
        list[int] | None,
        typer.Option(help="To compare: CPU threads of one run; 0: one a core [default: 1].", min=0),
    ] = None,
    cameras: Annotated[
        list[int] | None, typer.Option(help="To compare: parallel callers [default: 1].", min=1, max=64)
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="To compare: write a plot.", metavar="FILE")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure engine, stages and pipeline on this machine.

    With --compare: the engine and the embedding API for each combination of --engine, --size, --threads and
    --cameras, each of which may be given several times.

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
    if not side_by_side:
        alone = {
            "--size": size,
            "--threads": threads,
            "--cameras": cameras,
            "--plot": plot,
            "several --engine": engines[1:],
        }
        if refused := [name for name, value in alone.items() if value]:
            raise ConfigError(f"{', '.join(refused)}: only for a comparison; add --compare, or leave it out")
        chosen = engines[0] if engines else "auto"
        show(measure(model or "drive", chosen, source, frames), as_json)
        return
    if plot is not None:
        check_plot(plot)
    console = Console(stderr=True)
    with ExitStack() as building:
        on_build = building.enter_context(show_builds())

        def shown(turns: Sequence[Any]) -> Iterable[Any]:
            building.close()  # one bar at a time
            return track(turns, "measuring", console=console, transient=True, disable=not console.is_terminal)

        sizes = [parse_size(one) for one in size or []]
        comparison = compare(
            model or "drive", engines, source, frames, sizes, threads or [1], cameras or [1], shown, on_build
        )
    show(comparison, as_json)
    if plot is not None:
        save(comparison, plot)
