"""A configuration becomes a rig: sources, the engine, sink queues, and a node for each camera."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

import cv2

from perception.app.config import RunConfig
from perception.app.place import with_place
from perception.app.progress import show_builds
from perception.engines.background import Call, call_in_background, end_or_leave
from perception.errors import ConfigError
from perception.health.types import Health
from perception.perceiver import Perceiver
from perception.scene import Scene
from perception.sources.base import Source, SourceUri
from perception.sources.looped import LoopedSource
from perception.sources.paced import PacedSource
from perception.sources.registry import open_source

if TYPE_CHECKING:
    from perception.node.rig import Rig

LOG = logging.getLogger("perception.app")
ENDS_S = 1.0  # Ctrl-C waits no longer for an engine that is being built

OnScene = Callable[[Scene], None]


def open_rig(
    settings: RunConfig,
    stack: ExitStack,
    *,
    quiet: bool,
    on_scene: Callable[[Source], OnScene],
    on_health: Callable[[Health], None],
) -> "Rig":
    """Open everything that the settings name, in an order that writes nothing before all can be read.

    Args:
        stack: closes what is open, also where something fails.
        quiet: show no build.
        on_scene: gives for each source what is called with its scenes.

    Raises:
        PerceptionError: something cannot be opened.
    """
    sources = open_sources(settings)
    for source in sources.values():
        stack.callback(source.close)
        check_single(source, settings)
    if not settings.sinks:
        settings = with_place(settings)
        LOG.info("no sink is given; writes %s", settings.sinks[0], extra={"event": "place"})
    live = any(source.live for source in sources.values())
    # As many frames as cores are perceived at a time, one thread each; more would only spin and wait.
    cv2.setNumThreads(1)
    with show_builds(quiet, as_lines=live) as on_build:
        load = partial(
            Perceiver.load,
            settings.model,
            settings.engine,
            threads=1,
            instances=settings.instances,
            crf=settings.crf,
            denoise=settings.denoise,
            min_score=settings.min_score,
            pixels=settings.pixels,
            on_build=on_build,
            wait=not live,
        )
        loading = call_in_background(load, "loading")
        stack.callback(_leave, loading)
        from perception.app.wiring import wire  # noqa: PLC0415 - imported while the engine loads: 50 ms

        return wire(settings, sources, loading.future.result, stack, on_scene, on_health)


def _leave(loading: Call[Perceiver]) -> None:
    end_or_leave(loading.thread, ENDS_S)
    if loading.future.done() and loading.future.exception() is None:
        loading.future.result().leave(ENDS_S)


def open_sources(settings: RunConfig) -> dict[str, Source]:
    """The sources by the cameras' names; a camera that is live is not called yet."""
    return {camera: _open_source(uri, camera, settings) for camera, uri in settings.sources.items()}


def check_single(source: Source, settings: RunConfig) -> None:
    """Raises: ConfigError: a sink takes one frame, and the source gives more."""
    for sink in settings.sinks:
        if sink.kind.single and settings.frames != 1 and source.length != 1:
            frames = f"{source.length} frames" if source.length else "more than one frame"
            raise ConfigError(
                f"sink {sink}: holds one frame, and source {source.uri} gives {frames}; give a folder "
                "(out/) or a video (out.mp4), or --frames 1"
            )


def _open_source(uri: SourceUri, camera: str, settings: RunConfig) -> Source:
    opener = partial(open_source, uri, settings.frames, settings.policy, camera, settings.max_pixels)
    source = opener()
    if source.live or not settings.realtime:
        return source
    if settings.loop:
        source.close()
        source = LoopedSource(opener)
    return PacedSource(source, camera)
