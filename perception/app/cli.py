"""The `perception` command. Exit status: 0 done, 1 failed, 2 wrong use, 128 + n ended by signal n."""

import logging
import os
import sys
import threading
from contextlib import ExitStack, suppress
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from perception.app.build import open_rig
from perception.app.config import RunConfig
from perception.app.logs import set_up as set_up_logs
from perception.app.logs import threads_heard
from perception.app.output import AsJson, Engine, Model
from perception.app.plugins import Commands
from perception.app.progress import show_frames
from perception.app.signals import ignore_signals, stopping
from perception.app.systemd import Notifier
from perception.decode.instances import WAYS
from perception.engines.background import LEFT_BEHIND
from perception.errors import ConfigError, PerceptionError
from perception.extras import DISTRIBUTION, explain
from perception.redact import masked, printable
from perception.types import Policy

app = typer.Typer(
    cls=Commands, no_args_is_help=True, pretty_exceptions_enable=False,
    rich_markup_mode=None,  # markup would swallow [train] and the like
    help="Real-time perception for the front camera of a car: frames in, scenes out. Commands marked "
    "[train] need that extra; what runs a network needs [cpu] or [gpu]: pip install -e '.[cpu,train]'.",
)  # fmt: skip


def main() -> None:
    """Entry of the installed command."""
    try:
        _run_app()
    except SystemExit as end:
        if any(thread.name == LEFT_BEHIND for thread in threading.enumerate()):
            # A normal exit would unload libraries while the call that hangs still runs in them.
            logging.shutdown()
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):  # nobody reads it any more
                    stream.flush()
            os._exit(end.code if isinstance(end.code, int) else 1)
        raise


def _run_app() -> None:
    try:
        app()
    except PerceptionError as error:
        for one in _unreported(error):
            sys.stderr.write(f"perception: {shown(one)}\n")
        sys.exit(2 if isinstance(error, ConfigError) else 1)
    except ModuleNotFoundError as error:
        sys.stderr.write(f"{explain(error, 'perception')}\n")
        sys.exit(2)


def _unreported(error: BaseException | None) -> list[PerceptionError]:
    """The error, after those raised before it (a full disk fails the video, then its closing too)."""
    if error is None:
        return []
    earlier = _unreported(error.__context__)
    reported = error.__cause__  # an error made from another one already includes its message
    return [one for one in earlier if one is not reported] + (
        [error] if isinstance(error, PerceptionError) else []
    )


def shown(error: PerceptionError) -> str:
    """Its message as a terminal may get it: of several lines for a configuration, or where it has notes."""
    text = masked(str(error))
    lines = text.split("\n") if isinstance(error.__cause__, ValidationError) else [text]
    notes = [f"  {masked(note)}" for note in getattr(error, "__notes__", [])]
    return "\n".join(printable(line) for line in lines + notes)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"perception {metadata.version(DISTRIBUTION)}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the command itself."""


@app.command()
def run(
    source: Annotated[
        str | None,
        typer.Argument(
            help="A picture, a folder of images (shown at 25 a second), a video, a recording (drive.mcap, "
            "bag/), a camera (camera:0 or 0, rtsp://…, http://…, udp://…, gst:…), a bus (ros2:…, zenoh:…, "
            "shm:…), or sim:",
            metavar="SOURCE",
        ),
    ] = None,
    sinks: Annotated[
        list[str] | None,
        typer.Argument(
            help="out.mp4, out.jpg, out.mcap, folder/, web://127.0.0.1:8080, foxglove://, ros2:/car, "
            "zenoh:car, shm:front; any number of them "
            "[default: a new folder under runs/].",
            metavar="SINKS...",
        ),
    ] = None,
    window: Annotated[
        bool, typer.Option("--show", help="Show the overlays in a window; the same as the sink window:")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(help="A YAML profile; options on the command line override it.", metavar="FILE"),
    ] = None,
    model: Model = None,
    engine: Engine = None,
    frames: Annotated[int | None, typer.Option(help="Stop after so many frames.", metavar="N")] = None,
    max_age: Annotated[
        float | None, typer.Option(help="Older scenes are published as stale.", metavar="MS")
    ] = None,
    realtime: Annotated[
        bool | None,
        typer.Option(help="Play a recording at its own pace; drop frames that cannot be processed in time."),
    ] = None,
    loop: Annotated[
        bool | None, typer.Option("--loop", help="With --realtime: begin a recording again at its end.")
    ] = None,
    policy: Annotated[
        Policy | None,
        typer.Option(
            help="Drop older frames or none [default: freshest for live sources, else every-frame]."
        ),
    ] = None,
    min_rate: Annotated[
        float | None,
        typer.Option(
            help="Reduce quality below this many scenes a second, or where most are stale; 0: never, for "
            "neither reason [default: 10].",
            metavar="HZ",
        ),
    ] = None,
    give_up: Annotated[
        float | None, typer.Option(help="End after S seconds without a frame from a camera.", metavar="S")
    ] = None,
    log: Annotated[
        str | None, typer.Option(help="Format of events on stderr: text or json.", metavar="KIND")
    ] = None,
    instances: Annotated[
        str | None,
        typer.Option(
            help=f"Instance segmentation: {', '.join(WAYS)} [default: the best the model allows].",
            metavar="WAY",
        ),
    ] = None,
    crf: Annotated[
        bool | None,
        typer.Option(
            help="Refine the class map with a CRF: borders follow the image, at a lower frame rate."
        ),
    ] = None,
    denoise: Annotated[
        str | None,
        typer.Option(help="A bundle that restores each frame before the model sees it.", metavar="NAME"),
    ] = None,
    pixels: Annotated[
        int | None,
        typer.Option(
            help="Pixels of its input: fewer are faster, more see farther [default: the model's own].",
            metavar="N",
        ),
    ] = None,
    ego_mask: Annotated[
        str | None,
        typer.Option(
            help="A picture that is white where the own car is in view, and nothing is detected; auto: find "
            "it in the recording.",
            metavar="FILE",
        ),
    ] = None,
    calibration: Annotated[
        str | None,
        typer.Option(
            help="The camera's lens and mount, for metres on the road [default: what the source knows].",
            metavar="FILE",
        ),
    ] = None,
    min_score: Annotated[
        list[str] | None,
        typer.Option(
            help="Publish road users from this score on, 0 to 1; repeatable, by class: pedestrian=0.5 "
            "[default: the model's own, by the best F1].",
            metavar="SCORE",
        ),
    ] = None,
    tracks: Annotated[
        bool | None,
        typer.Option(help="Track road users from frame to frame, and steady classes and lanes [default]."),
    ] = None,
    details: Annotated[
        bool | None,
        typer.Option("--details", help="Write rate, engine and the times of the stages on overlays."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Frames processed in parallel; 0: one for each core.", metavar="N")
    ] = None,
    max_pixels: Annotated[
        int | None,
        typer.Option(help="Decode no picture of more pixels [default: 40 million].", metavar="N"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be opened and written, and end.")
    ] = False,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> None:
    """Perceive the frames of SOURCE and write the scenes to SINKS.

    What an earlier run wrote is overwritten, a folder is reused, other files are kept. A camera's newest
    frame counts, and every frame of a recording. Ctrl-C finishes the frames in flight; a second Ctrl-C ends
    at once.

    \b
    Examples:
      perception run drive.mp4 overlay.mp4 labels/
      perception run camera:0 web://127.0.0.1:8080 --min-score 0.4 --min-score pedestrian=0.5
    """
    settings = RunConfig.read(
        config,
        source=source,
        sinks=[*(sinks or ()), *(["window:"] if window else [])] or None,
        model=model,
        engine=engine,
        frames=frames,
        max_age=max_age,
        realtime=realtime,
        loop=loop,
        policy=policy,
        min_rate=min_rate,
        give_up=give_up,
        log=log,
        instances=instances,
        crf=crf,
        denoise=denoise,
        pixels=pixels,
        ego_mask=ego_mask,
        calibration=calibration,
        min_score=min_score or None,
        tracks=tracks,
        details=details,
        workers=workers,
        max_pixels=max_pixels,
    )
    if dry_run:
        from perception.app.dry_run import plan  # noqa: PLC0415 - no run waits for rich to begin
        from perception.app.output import show  # noqa: PLC0415

        show(plan(settings), as_json)
        return
    set_up_logs(settings.log, quiet)
    failure: PerceptionError | None = None
    with threads_heard(), ExitStack() as stack:
        notifier = stack.enter_context(Notifier.from_environment())
        hidden = quiet or as_json or bool(settings.cameras)
        rig = open_rig(
            settings,
            stack,
            quiet=quiet,
            on_health=notifier.alive,
            on_scene=lambda origin: stack.enter_context(show_frames(origin, settings.frames, hidden)),
        )
        with stopping(rig.stop, notifier.stopping) as received:
            try:
                rig.run()
            except PerceptionError as error:
                failure = error
    # The progress bar is gone by now: the report begins on a line of its own.
    if not quiet or as_json:
        from perception.app.run_table import show_reports  # noqa: PLC0415 - no run waits for rich to begin

        why = {camera: shown(error) for camera, error in rig.failures.items()}
        show_reports([node.report(why.get(node.camera)) for node in rig.nodes], as_json)
    if failure:
        raise failure
    if received:
        ignore_signals()  # everything is written; the exit status is that of the first signal
        raise typer.Exit(128 + received[0])
