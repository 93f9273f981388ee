"""Progress on stderr: of a run, and of an engine that is built, which takes minutes at its first start."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from perception.engines.base import OnBuild
from perception.scene import Scene
from perception.sources.base import Source

KEPT = "kept for the next start"


@contextmanager
def show_builds(hidden: bool = False, as_lines: bool = False) -> Iterator[OnBuild]:
    """A progress bar on stderr for each build, or a line at its start and one at its end.

    Args:
        hidden: show nothing.
        as_lines: instead of bars, as where stderr is no terminal. Lines also appear after the block ends.

    Yields:
        What `Perceiver.load` takes as `on_build`.
    """
    if hidden:
        yield lambda what, share: None
        return
    if as_lines or not sys.stderr.isatty():
        yield _line
        return
    with ExitStack() as shown:
        moves: list[OnBuild] = []

        def move(what: str, share: float) -> None:
            if not moves:
                from perception.app.bars import build_bars  # noqa: PLC0415 - see `show_frames`

                moves.append(shown.enter_context(build_bars(KEPT)))
            moves[0](what, share)

        yield move


def _line(what: str, share: float) -> None:
    if share in (0.0, 1.0):
        sys.stderr.write(f"perception: {what}, {KEPT}{': done' if share else '; this takes minutes'}\n")


@contextmanager
def show_frames(source: Source, frames: int | None, hidden: bool) -> Iterator[Callable[[Scene], None]]:
    """A progress bar on stderr, where that is a terminal; the callable moves it."""
    if hidden or not sys.stderr.isatty():
        yield lambda scene: None
        return
    lengths = [length for length in (source.length, frames) if length]
    with ExitStack() as shown:
        moves: list[Callable[[int], None]] = []

        def move(scene: Scene) -> None:
            if not moves:  # the first scene does not wait for rich: its import takes as long as the network
                from perception.app.bars import frame_bar  # noqa: PLC0415

                moves.append(shown.enter_context(frame_bar(min(lengths, default=None))))
            moves[0](scene.sequence + 1)

        yield move
